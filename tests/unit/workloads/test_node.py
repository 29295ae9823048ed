"""A node makes itself known, and a sandbox that cannot be taken down keeps nothing else from running."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tandem.base.clock import FixedClock
from tandem.base.paths import NodeDir
from tandem.ingest.errors import ApiError
from tandem.ingest.fake import FakeKube
from tandem.ingest.recorder import Recorder
from tandem.model.kinds import BY_KIND
from tandem.workloads import node as nodes
from tandem.workloads.context import Node
from tandem.workloads.node import own_address, register, run_node
from tandem.workloads.record import new_record, save


def node(kube: FakeKube, root: Path = Path("/nowhere")) -> Node:
    made = SimpleNamespace(
        name="node-1",
        addresses=("192.0.2.1",),
        dns=("10.96.0.10",),
        directory=NodeDir(root),
        client=kube,
        cni=None,
        clock=FixedClock(),
        live={},
        events=Recorder(kube, "tandem-runtime", FixedClock(), host="node-1"),
    )
    return cast("Node", made)


def known(kube: FakeKube) -> dict[str, Any]:
    return asyncio.run(kube.get(BY_KIND["Node"], "", "node-1"))


def test_a_node_is_registered_as_ready_with_its_address() -> None:
    kube = FakeKube()
    made = node(kube)
    asyncio.run(register(made))
    asyncio.run(made.events.settle())
    (event,), _ = asyncio.run(kube.list(BY_KIND["Event"]))
    assert (event["reason"], event["involvedObject"]["uid"], event["source"]["host"]) == ("Starting", *["node-1"] * 2)
    found = known(kube)
    assert found["metadata"]["labels"]["kubernetes.io/hostname"] == "node-1"
    assert {"type": "InternalIP", "address": "192.0.2.1"} in found["status"]["addresses"]
    assert [(c["type"], c["status"]) for c in found["status"]["conditions"]] == [("Ready", "True")]


def test_a_node_that_is_known_keeps_its_other_labels() -> None:
    raw = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "labels": {"zone": "a"}}}
    kube = FakeKube([raw])
    asyncio.run(register(node(kube)))
    assert known(kube)["metadata"]["labels"]["zone"] == "a"
    assert known(kube)["status"]["conditions"]


def test_registration_is_tried_until_the_api_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_RETRY", 0.0)
    kube = FakeKube()
    kube.fail_next(ApiError(503, "ServiceUnavailable", "starting"))
    asyncio.run(register(node(kube)))
    assert known(kube)["status"]["conditions"]


def test_a_sandbox_of_a_removed_pod_is_dismantled_however_often_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    async def dismantle(_: object, __: object, record: Any) -> None:
        tries.append(record.uid)
        if len(tries) < 3:
            raise RuntimeError("a fault of ours")

    monkeypatch.setattr(nodes, "dismantle", dismantle)
    monkeypatch.setattr(nodes, "pause_after", lambda _: 0.0)
    save(NodeDir(tmp_path), new_record(uid="u1", namespace="n", name="a", attempt=0))
    folder = tmp_path / "pods" / "u1"

    async def story() -> None:
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(run_node(node(FakeKube(), tmp_path)))
            while folder.exists():  # noqa: ASYNC110 - a directory has no event
                await asyncio.sleep(0.001)
            running.cancel()

    asyncio.run(story())
    assert tries == ["u1"] * 3


def test_without_a_way_out_the_address_of_ipv6_is_one_that_others_can_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "if_inet6"
    table.write_text(
        "fd000010024400000000000000000001 01 80 00 80       lo\n"
        "fe80000000000000000000fffe000001 04 40 20 80     eth0\n"
        "fd000077000000000000000000000005 04 40 00 82     eth0\n"
    )
    monkeypatch.setattr(nodes, "_IF_INET6", table)
    monkeypatch.setitem(nodes._OUTSIDE, 6, (socket.AF_INET6, "fe80::1", "::1"))  # nobody's without a scope
    assert own_address(6) == "fd00:77::5"
    table.unlink()
    assert own_address(6) == "::1"


def test_the_own_address_is_the_one_that_reaches_outside() -> None:
    assert own_address(4).count(".") == 3
    assert own_address(6).count(":") >= 2
