"""tandem exec into real namespaces: output, environment and exit status pass through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiserving import RunningServer
from onepod import namespaces
from tandem.base import processes
from tandem.base.paths import RunDir
from tandem.workloads.record import ContainerRecord, Process, SandboxRecord, save

pytestmark = pytest.mark.root

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web-0}
spec:
  nodeName: node-1
  containers: [{name: app, image: host, command: [sleep, "60"]}]
"""


@pytest.fixture
def inside() -> Iterator[int]:
    """The pid of a process in namespaces of its own."""
    with namespaces() as pid:
        yield pid


def tandem(run_dir: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TANDEM_RUN_DIR": str(run_dir), "PYTHONPATH": "src"}
    command = [sys.executable, "-m", "tandem.apps.cli.main", *arguments]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, env=environment, timeout=60
    )


def test_a_command_runs_as_if_it_were_the_containers_own(tmp_path: Path, inside: int) -> None:
    with RunningServer(tmp_path):
        assert tandem(tmp_path, "apply", "-f", "-", stdin=POD).returncode == 0
        uid = json.loads(tandem(tmp_path, "get", "pod", "web-0", "-o", "json").stdout)["metadata"]["uid"]
        process = Process(pid=inside, started=processes.start_time(inside) or 0)
        own = ContainerRecord(process=process, environment={"GREETING": "hello"}, working_dir="/usr")
        save(
            RunDir(tmp_path).node("node-1"),
            SandboxRecord(
                uid=uid,
                namespace="default",
                name="web-0",
                attempt=0,
                container_id="c",
                init=process,
                containers={"app": own},
            ),
        )
        script = "hostname; echo $GREETING; pwd; ls /sys/class/net /proc/self/ns/net >/dev/null; echo bad >&2; exit 7"
        done = tandem(tmp_path, "exec", "web-0", "--", "sh", "-c", script)
        assert (done.stdout, done.stderr, done.returncode) == ("tandem-exec-pod\nhello\n/usr\n", "bad\n", 7)
        assert tandem(tmp_path, "exec", "-i", "web-0", "--", "cat", stdin="through\n").stdout == "through\n"
        assert tandem(tmp_path, "exec", "web-0", "--", "cat", stdin="not through\n").stdout == ""
