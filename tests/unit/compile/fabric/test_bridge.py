"""Fabric `bridge`."""

from __future__ import annotations

from tandem.compile.fabric.bridge import BRIDGE
from tandem.compile.fabric.routed import ROUTED
from unit.compile.fabric.fabricviews import node, view


def test_between_nodes_it_is_routed() -> None:
    seen = view(node(2))
    assert BRIDGE.between(seen, 1500) == ROUTED.between(seen, 1500)
    assert (BRIDGE.overhead, BRIDGE.segment) == (ROUTED.overhead, True)
