from __future__ import annotations

import pytest

from builders import pod
from tandem.cluster.occupied import Occupied, claims
from tandem.model import core


def wanting(name: str, *addresses: str, node: str = "", protocol: str = "TCP", phase: str = "Running") -> core.Pod:
    ports = [{"containerPort": 80, "hostPort": 8080, "hostIP": a, "protocol": protocol} for a in addresses]
    spec = {"containers": [{"name": "c", "image": "host", "ports": [*ports, {"containerPort": 81}]}]}
    return pod(name, node=node, spec=spec, phase=phase)


def test_a_pod_claims_its_host_ports_alone() -> None:
    assert claims(wanting("a", "127.0.0.1")) == (("TCP", 8080, "127.0.0.1"),)


MEETING = (
    ("", ""),
    ("", "127.0.0.1"),
    ("", "::"),
    ("0.0.0.0", "127.0.0.1"),
    ("127.0.0.1", "127.0.0.1"),
    ("::", "fd00::1"),
)
APART = (("127.0.0.1", "127.0.0.2"), ("0.0.0.0", "::"), ("::", "127.0.0.1"))


@pytest.mark.parametrize(("one", "other"), [*MEETING, *APART])
def test_ports_meet_at_the_addresses_that_both_are_open_at(one: str, other: str) -> None:
    meet = (one, other) in MEETING
    assert bool(Occupied([wanting("a", one, node="n1")]).holder(wanting("b", other), "n1")) is meet
    assert bool(Occupied([wanting("a", other, node="n1")]).holder(wanting("b", one), "n1")) is meet


def test_who_has_the_port_is_told() -> None:
    occupied = Occupied([wanting("z", "", node="n1", protocol="UDP"), wanting("a", "127.0.0.1", node="n1")])
    assert occupied.holder(wanting("b", ""), "n1") == "default/a has 8080/TCP at 127.0.0.1"


def test_ports_of_two_protocols_or_of_two_nodes_do_not_meet() -> None:
    occupied = Occupied([wanting("a", "", node="n1")])
    assert not occupied.holder(wanting("b", "", protocol="UDP"), "n1")
    assert not occupied.holder(wanting("b", ""), "n2")


def test_what_was_removed_is_free_and_a_copy_keeps_it() -> None:
    occupied = Occupied([wanting("a", "", node="n1")])
    before = occupied.copy()
    occupied.remove(wanting("a", "", node="n1"))
    assert not occupied.holder(wanting("b", ""), "n1")
    assert before.holder(wanting("b", ""), "n1")
    assert (occupied.load["n1"], before.load["n1"]) == (0, 1)


def test_a_finished_pod_has_nothing() -> None:
    occupied = Occupied([wanting("a", "", node="n1", phase="Succeeded")])
    assert not occupied.holder(wanting("b", ""), "n1")
    assert occupied.load["n1"] == 0
