"""The end of a sandbox, as far as it needs no kernel."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from tandem.base.paths import NodeDir
from tandem.workloads.cni import Attachment, Cni, CniError
from tandem.workloads.dismantle import attachment, dismantle
from tandem.workloads.record import SandboxRecord, new_record


class Network:
    """Fails as often as told, and keeps whom it was asked to detach."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.asked: list[Attachment] = []

    async def delete(self, who: Attachment) -> None:
        self.asked.append(who)
        if len(self.asked) <= self.failures:
            raise CniError(11, "agent away")


def record(root: Path, *, netns: bool = True) -> SandboxRecord:
    made = new_record(uid="u1", namespace="n", name="a", attempt=0)
    return msgspec.structs.replace(made, netns=str(root / "pin") if netns else "")


def run(root: Path, network: Network, made: SandboxRecord) -> None:
    asyncio.run(dismantle(NodeDir(root), cast("Cni", network), made))


def test_the_address_is_given_back_and_the_files_go(tmp_path: Path) -> None:
    (tmp_path / "pods/u1/root").mkdir(parents=True)
    made, network = record(tmp_path), Network()
    run(tmp_path, network, made)
    assert network.asked == [attachment(made)]
    assert not (tmp_path / "pods/u1/root").exists()


def test_a_host_network_pod_has_nothing_to_detach(tmp_path: Path) -> None:
    network = Network()
    run(tmp_path, network, record(tmp_path, netns=False))
    assert network.asked == []


def test_a_del_that_fails_is_tried_again_and_at_last_left_to_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float, *_: Any) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    once, always = Network(failures=1), Network(failures=99)
    run(tmp_path, once, record(tmp_path))
    assert (len(once.asked), len(pauses)) == (2, 1)
    run(tmp_path, always, record(tmp_path))
    assert len(always.asked) == 6
