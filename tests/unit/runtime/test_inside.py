"""The pods of this machine by their records; tests/contract/test_kubectl_exec.py runs programs in one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tandem.apiserver.inside import LogQuery, NotRunningError, PodRef
from tandem.base import processes
from tandem.base.clock import SystemClock
from tandem.base.paths import RunDir
from tandem.runtime.inside import Pods
from tandem.workloads.logs import LogWriter
from tandem.workloads.record import ContainerRecord, Process, SandboxRecord, save

WEB = PodRef(namespace="shop", name="web", uid="u", node="node-1")
HERE = Process(pid=os.getpid(), started=processes.start_time(os.getpid()) or 0)


def record(root: Path, init: Process, **containers: Process) -> Pods:
    made = {name: ContainerRecord(process=process) for name, process in containers.items()}
    save(
        RunDir(root).node("node-1"),
        SandboxRecord(uid="u", namespace="shop", name="web", attempt=0, container_id="c", init=init, containers=made),
    )
    return Pods(RunDir(root))


def test_a_pod_that_runs_is_found_and_so_is_its_container(tmp_path: Path) -> None:
    pods = record(tmp_path, HERE, app=HERE)
    assert pods.running(WEB)
    assert pods.running(WEB, "app")


@pytest.mark.parametrize("container", ["", "app"])
def test_a_pod_that_has_ended_is_said(tmp_path: Path, container: str) -> None:
    pods = record(tmp_path, Process(pid=HERE.pid, started=1), app=HERE)
    with pytest.raises(NotRunningError, match="pod shop/web does not run"):
        pods.running(WEB, container)
    with pytest.raises(NotRunningError):
        Pods(RunDir(tmp_path / "empty")).running(WEB, container)


def test_a_container_that_does_not_run_is_said(tmp_path: Path) -> None:
    pods = record(tmp_path, HERE, app=Process())
    for name in ("app", "other"):
        with pytest.raises(NotRunningError, match=f'container not found \\("{name}"\\)'):
            pods.running(WEB, name)


def test_logs_are_read_where_the_pod_is(tmp_path: Path) -> None:
    async def story() -> bytes:
        folder = RunDir(tmp_path).node("node-1").pods / "u" / "logs" / "app"
        writer = LogWriter(folder, 0, SystemClock())
        descriptor = writer.open_for_container()
        os.write(descriptor, b"one\ntwo\n")
        os.close(descriptor)
        writer.close()
        return b"".join([line async for line in Pods(RunDir(tmp_path)).logs(WEB, "app", LogQuery(tail=1))])

    assert asyncio.run(story()) == b"two\n"


@pytest.mark.parametrize(
    ("node", "previous", "why"),
    [
        ("", False, "pod shop/web runs on no node yet"),
        ("node-1", False, "it has written none yet"),
        ("node-1", True, "no earlier run of it has left one"),
    ],
)
def test_a_log_that_is_not_there_is_said(tmp_path: Path, node: str, previous: bool, why: str) -> None:  # noqa: FBT001
    pod = PodRef(namespace="shop", name="web", uid="u", node=node)
    with pytest.raises(FileNotFoundError, match=why):
        Pods(RunDir(tmp_path)).logs(pod, "app", LogQuery(previous=previous))
