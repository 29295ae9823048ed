"""Servers of Istio's Gateways at a port."""

from __future__ import annotations

from ingressworlds import gateway, server
from tandem.model.world import World
from tandem.reference.ingressservers import servers


def test_a_server_that_clashes_with_an_older_one_has_no_part() -> None:
    older = gateway("a", server(port=9000, protocol="TCP"), created="2026-01-01T00:00:00Z")
    newer = gateway("b", server(port=9000), created="2026-02-01T00:00:00Z")
    assert [one.gateway.metadata.name for one in servers(World.of([older, newer]), 9000)] == ["a"]
