"""A node that shall serve gateways no more goes on for a while, and one that never did does not begin."""

from __future__ import annotations

from typing import Any

import pytest

from builders import world
from gatewayworlds import gateway
from tandem.cluster.withdrawals import LEAVE_SECONDS, Withdrawals
from tandem.cluster.writes import Patch
from tandem.model.core import GATEWAYS, NO_BALANCER, SERVES
from tandem.model.meta import Object
from tandem.model.parse import parse


def node(name: str, *, excluded: bool = False, told: bool = False) -> Object:
    labels = {NO_BALANCER: ""} if excluded else {}
    notes = {SERVES: GATEWAYS} if told else {}
    return parse(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels, "annotations": notes}}
    )


def writes(withdrawals: Withdrawals, *objects: Object, at: float) -> dict[str, Any]:
    """By node, what the annotation becomes."""
    found: list[Patch] = list(withdrawals.writes(world(*objects), at))
    return {one.name: one.patch["metadata"]["annotations"][SERVES] for one in found}


def test_nodes_that_serve_are_told_and_those_that_never_may_are_not() -> None:
    nodes = node("a"), node("b", told=True), node("c", excluded=True)
    assert writes(Withdrawals(), *nodes, gateway(), at=0.0) == {"a": GATEWAYS}
    assert writes(Withdrawals(), *nodes, at=0.0) == {"b": None}


def test_one_that_gets_the_label_goes_on_for_a_while() -> None:
    found, edge = Withdrawals(), gateway()
    assert not found.waits
    leaving = node("a", excluded=True, told=True)
    assert writes(found, leaving, edge, at=100.0) == {}
    assert found.waits
    assert writes(found, leaving, edge, at=100.0 + LEAVE_SECONDS - 0.1) == {}
    assert writes(found, leaving, edge, at=100.0 + LEAVE_SECONDS) == {"a": None}
    assert writes(found, node("a", excluded=True), edge, at=200.0) == {}
    assert not found.waits


@pytest.mark.parametrize("back", [node("a", told=True), node("a")])
def test_one_whose_label_is_taken_away_again_begins_anew_the_next_time(back: Object) -> None:
    found, edge, leaving = Withdrawals(), gateway(), node("a", excluded=True, told=True)
    writes(found, leaving, edge, at=0.0)
    writes(found, back, edge, at=5.0)
    assert writes(found, leaving, edge, at=20.0) == {}


def test_without_a_gateway_nobody_waits() -> None:
    assert writes(Withdrawals(), node("a", excluded=True, told=True), at=0.0) == {"a": None}
