"""The order of a sandbox's making; the kernel's part is replaced, and proven in tests/netns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from builders import pod
from tandem.base.paths import NodeDir
from tandem.model.images import Images
from tandem.workloads import assembly, kernel, sandbox
from tandem.workloads.context import Node
from tandem.workloads.record import ContainerRecord, Process, SandboxRecord, new_record

INIT = Process(pid=7, started=8)

Given = tuple[tuple[str, ...], tuple[str, ...]]
OURS: Given = (("192.0.2.1",), ("10.244.0.5",))
"""Addresses of the node, and what the plugin gives."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []

    async def in_thread(work: Callable[[], Any]) -> Any:
        return work()

    def start_init(*_: object, **__: object) -> int:
        made.append("init")
        return 7

    async def started(*_: object) -> None:
        made.append("started")

    monkeypatch.setattr(kernel, "in_thread", in_thread)
    monkeypatch.setattr(sandbox, "make_netns", lambda _: made.append("netns"))
    monkeypatch.setattr(sandbox, "start_init", start_init)
    monkeypatch.setattr(sandbox, "identify", lambda _: INIT)
    monkeypatch.setattr(sandbox, "started", started)
    return made


def assembled(
    root: Path, steps: list[str], before: SandboxRecord | None, *, given: Given = OURS, **options: Any
) -> SandboxRecord:
    async def add(_: object) -> tuple[str, ...]:
        steps.append("add")
        return given[1]

    def save(record: SandboxRecord) -> None:
        steps.append(f"save {','.join(record.addresses)} {record.init.pid}")

    node = SimpleNamespace(
        name="node-1",
        addresses=given[0],
        dns=("10.96.0.10",),
        directory=NodeDir(root),
        images=Images(),
        cni=SimpleNamespace(add=add),
    )
    return asyncio.run(assembly.assemble(cast("Node", node), pod("a", uid="u1", **options), before, save))


def test_every_step_is_on_record_before_the_next_one(tmp_path: Path, steps: list[str]) -> None:
    made = assembled(tmp_path, steps, None)
    order = ["save  0", "netns", "add", "save 10.244.0.5 0", "init", "save 10.244.0.5 7", "started"]
    assert steps == order
    assert (made.attempt, made.init, made.addresses) == (0, INIT, ("10.244.0.5",))


def test_the_family_of_the_nodes_first_address_comes_first(tmp_path: Path, steps: list[str]) -> None:
    both = ("10.244.0.5", "fd00::5")
    four = assembled(tmp_path, steps, None, given=(("192.0.2.1", "fd00:77::1"), both))
    six = assembled(tmp_path, steps, None, given=(("fd00:77::1", "192.0.2.1"), both))
    assert (four.addresses, six.addresses) == (both, both[::-1])


def test_a_host_network_pod_gets_no_network(tmp_path: Path, steps: list[str]) -> None:
    made = assembled(tmp_path, steps, None, host_network=True)
    assert "netns" not in steps
    assert "add" not in steps
    assert (made.netns, made.addresses) == ("", ("192.0.2.1",))


def test_a_new_sandbox_knows_the_containers_of_the_one_before_but_none_of_their_processes(
    tmp_path: Path, steps: list[str]
) -> None:
    ran = ContainerRecord(process=Process(pid=3, started=4), restarts=2, done=True)
    before = msgspec.structs.replace(
        new_record(uid="u1", namespace="default", name="a", attempt=4), containers={"main": ran}
    )
    made = assembled(tmp_path, steps, before)
    assert made.attempt == 5
    assert made.container_id != before.container_id
    assert made.containers == {"main": msgspec.structs.replace(ran, process=Process())}
