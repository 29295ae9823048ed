"""What CHECK looks at for a pod in the mesh and out of it; with a kernel in tests/netns/test_hostports_on_kernel.py."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.compile import names
from tandem.ir.node import ForeignLink, NodeView
from tandem.runtime import integrity
from tandem.runtime.integrity import damage
from unit.compile.nft.test_hostports import view

C = ContainerId("c")


def meshed() -> NodeView:
    plain = view()
    (pod,) = plain.pods
    inside = msgspec.structs.replace(pod, pod=msgspec.structs.replace(pod.pod, meshed=True))
    return msgspec.structs.replace(plain, pods=(inside,))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, frozenset[str]]]:
    """Namespace and atoms of each look at a table; every table is whole, and Envoy listens on its inbound port only."""
    looks: list[tuple[str, frozenset[str]]] = []

    def missing(
        _: object, *, chains: Any, atoms: frozenset[str], also: Any = frozenset(), netns: str = ""
    ) -> tuple[str, ...]:
        assert chains
        assert not also
        looks.append((netns, atoms))
        return ()

    monkeypatch.setattr(integrity, "missing", missing)
    monkeypatch.setattr(
        integrity, "listening", lambda _: frozenset({(4, names.INBOUND_PORT), (6, names.OUTBOUND_PORT)})
    )
    return looks


def test_a_pod_out_of_the_mesh_is_looked_at_in_the_nodes_table(asked: list[tuple[str, frozenset[str]]]) -> None:
    assert asyncio.run(damage(view(), C)) == ()
    assert asked == [("", frozenset({"10.244.0.5", "td00000000001"}))]


def test_a_pod_in_the_mesh_has_redirection_and_two_listeners_as_well(asked: list[tuple[str, frozenset[str]]]) -> None:
    assert asyncio.run(damage(meshed(), C)) == ("Envoy does not listen on port 15001 (outbound) of IPv4 in the pod",)
    assert [netns for netns, _ in asked] == ["", "/n"]


def test_a_namespace_that_is_gone_is_named(
    asked: list[tuple[str, frozenset[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    del asked

    def gone(_: str) -> frozenset[int]:
        raise DriverError("network namespace /n: gone")

    monkeypatch.setattr(integrity, "listening", gone)
    assert asyncio.run(damage(meshed(), C)) == ("network namespace /n: gone",)


def test_a_pod_behind_another_plugin_is_looked_at_inside_alone(asked: list[tuple[str, frozenset[str]]]) -> None:
    plain = view()
    link = ForeignLink(ifname="eth0", guarded=True)
    behind = msgspec.structs.replace(plain, pods=(msgspec.structs.replace(plain.pods[0], foreign=link),))
    assert asyncio.run(damage(behind, C)) == ()
    assert asked == [("/n", frozenset())]


@pytest.mark.parametrize(("known", "container"), [(None, C), (view(), ContainerId("other"))])
def test_a_pod_that_control_does_not_know_is_damage(known: NodeView | None, container: ContainerId) -> None:
    (found,) = asyncio.run(damage(known, container))
    assert "control has told this node nothing of the pod" in found
