"""tandem exec up to the moment when the command takes over; tests/netns/test_exec.py goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cliobjects import pod
from tandem.apps.cli.exec import place
from tandem.apps.cli.session import CommandError
from tandem.base import processes
from tandem.base.paths import RunDir
from tandem.workloads.record import ContainerRecord, Process, SandboxRecord, save

HERE = Process(pid=os.getpid(), started=processes.start_time(os.getpid()) or 0)


def placed() -> dict[str, Any]:
    raw = pod(node="node-1")
    raw["metadata"]["uid"] = "u"
    return raw


@pytest.fixture(autouse=True)
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setenv("TANDEM_RUN_DIR", str(tmp_path))
    return RunDir.default()


def record(run_dir: RunDir, **fields: Any) -> None:
    defaults = {"uid": "u", "namespace": "default", "name": "web-0", "attempt": 0, "container_id": "c", "init": HERE}
    save(run_dir.node("node-1"), SandboxRecord(**{**defaults, **fields}))


def test_the_containers_own_process_environment_and_directory_are_used(run_dir: RunDir) -> None:
    own = ContainerRecord(process=HERE, environment={"A": "1"}, working_dir="/srv")
    record(run_dir, containers={"app": own})
    beside, order = place(placed(), "app", ["env"])
    assert beside == HERE
    assert (order.argv, order.working_dir) == (["env"], "/srv")
    assert order.environment["A"] == "1"
    assert "PATH" in order.environment


def test_a_pod_elsewhere_or_without_a_node_is_said() -> None:
    with pytest.raises(CommandError, match="no sandbox on this machine"):
        place(placed(), "app", ["x"])
    with pytest.raises(CommandError, match="not on a node yet"):
        place({**pod(), "metadata": {"name": "web-0", "uid": "u"}}, "app", ["x"])


def test_a_pod_whose_init_has_gone_is_said(run_dir: RunDir) -> None:
    record(run_dir, init=Process(pid=os.getpid(), started=1))
    with pytest.raises(CommandError, match="is not running"):
        place(placed(), "app", ["x"])
