"""Why a command cannot be executed in a pod is said in words."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from tandem.base import processes
from tandem.base.paths import NodeDir
from tandem.workloads.access import exec_command
from tandem.workloads.record import ContainerRecord, Process, new_record, save

ME = Process(pid=os.getpid(), started=processes.start_time(os.getpid()) or 0)


def node(folder: Path, **containers: ContainerRecord) -> NodeDir:
    record = new_record(uid="u1", namespace="n", name="a", attempt=0)
    save(NodeDir(folder), msgspec.structs.replace(record, init=ME, containers=containers))
    return NodeDir(folder)


def test_a_pod_without_a_sandbox_cannot_be_entered(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no running sandbox"):
        exec_command(NodeDir(tmp_path), "u1", "", ["ls"])


def test_a_container_that_does_not_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="container 'app' is not running"):
        exec_command(node(tmp_path, app=ContainerRecord()), "u1", "app", ["ls"])
    with pytest.raises(LookupError, match="no container of the pod is running"):
        exec_command(NodeDir(tmp_path), "u1", "", ["ls"])


def test_the_first_running_container_is_entered_with_its_environment(tmp_path: Path) -> None:
    found = exec_command(
        node(tmp_path, app=ContainerRecord(process=ME, environment={"A": "1"})), "u1", "", ["ls", "-l"]
    )
    assert found.argv[-2:] == ["ls", "-l"]
    assert found.environment == {"A": "1"}
