from __future__ import annotations

from tandem.model import core
from tandem.model.discovery import EndpointSlice
from tandem.model.parse import parse


def test_zones_and_hints_are_read() -> None:
    endpoint = {
        "addresses": ["10.0.0.1"],
        "zone": "a",
        "hints": {"forZones": [{"name": "a"}], "forNodes": [{"name": "node-1"}]},
    }
    meta = {"name": "web-1", "namespace": "n"}
    made = parse(
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta, "endpoints": [endpoint]}
    )
    assert isinstance(made, EndpointSlice)
    (found,) = made.endpoints
    assert found.zone == "a"
    assert (found.hints.for_zones[0].name, found.hints.for_nodes[0].name) == ("a", "node-1")


def test_core_and_discovery_are_read_as_one() -> None:
    assert core.EndpointSlice is EndpointSlice
