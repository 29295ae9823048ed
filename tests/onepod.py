"""One pod that runs: namespaces of its own, the record that the runtime keeps of it, and an API server that knows it.

For tests of what happens inside pods, without agent, CNI or runtime.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from apiserving import RunningServer
from tandem.base import processes
from tandem.base.paths import RunDir
from tandem.ingest.kube import KubeClient
from tandem.model.kinds import BY_KIND
from tandem.runtime.inside import Pods
from tandem.workloads.record import ContainerRecord, Process, SandboxRecord, save

POD: Final = """\
apiVersion: v1
kind: Pod
metadata: {name: web-0}
spec:
  nodeName: node-1
  containers:
  - {name: app, image: host, command: [sleep, "60"], stdin: true, stdinOnce: true}
  - {name: other, image: host, command: [sleep, "60"]}
---
apiVersion: v1
kind: Pod
metadata: {name: nowhere}
spec:
  containers: [{name: app, image: host, command: [sleep, "60"]}]
"""
_INSIDE: Final = (
    "hostname tandem-exec-pod && mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts /dev/pts"
    " && { [ -L /dev/ptmx ] || mount --bind /dev/pts/ptmx /dev/ptmx; } && ip link set lo up && echo ready"
    " && exec sleep 600"
)


@contextmanager
def namespaces() -> Iterator[int]:
    """The pid of a process in namespaces of its own."""
    command = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    process = subprocess.Popen([*command, "sh", "-c", _INSIDE], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
    finally:
        process.kill()
        process.communicate()


class OnePod:
    """The server, and the pod `web-0` with a container `app` that runs and `other` that does not."""

    def __init__(self, server: RunningServer, pid: int) -> None:
        self.server = server
        self.process = Process(pid=pid, started=processes.start_time(pid) or 0)
        done = server.kubectl("apply", "-f", "-", stdin=POD)
        assert done.returncode == 0, done.stderr
        uid = self.uid = asyncio.run(_runs(server.kubeconfig))
        environment = {"GREETING": "hello", "PATH": os.environ["PATH"]}
        own = ContainerRecord(process=self.process, environment=environment, working_dir="/usr")
        made = SandboxRecord(
            uid=uid,
            namespace="default",
            name="web-0",
            attempt=0,
            container_id="c",
            init=self.process,
            containers={"app": own},
        )
        save(RunDir(server.directory).node("node-1"), made)

    def exec(self, *command: str, options: Sequence[str] = (), stdin: str = "") -> subprocess.CompletedProcess[str]:
        """`kubectl exec`."""
        return self.server.kubectl("exec", *options, "web-0", "-c", "app", "--", *command, stdin=stdin)

    def inside(self) -> list[str]:
        """Command lines of the pod's processes, without the programs' folders."""
        space = Path(f"/proc/{self.process.pid}/ns/pid").readlink()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "ns" / "pid").readlink() == space:
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip())
            except OSError:
                continue
        return sorted(line.removeprefix(f"{Path(line.split()[0]).parent}/") for line in found if line)


async def _runs(kubeconfig: Path) -> str:
    async with KubeClient.from_kubeconfig(kubeconfig) as client:
        status = {"status": {"phase": "Running"}}
        made = await client.patch(BY_KIND["Pod"], "default", "web-0", status, subresource="status")
        return str(made["metadata"]["uid"])


@contextmanager
def one_pod(directory: Path) -> Iterator[OnePod]:
    """All of it."""
    with namespaces() as pid, RunningServer(directory, Pods(RunDir(directory))) as server:
        yield OnePod(server, pid)
