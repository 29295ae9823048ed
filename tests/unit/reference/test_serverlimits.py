"""What policies of rates count, by the reference."""

from __future__ import annotations

from typing import Any

from builders import pod
from linkerdworlds import by, limits, server
from tandem.model.world import World
from tandem.reference.authorization import Asked
from tandem.reference.serverlimits import counted_at_server

WEB = pod("web")
SPEC: Any = {
    "total": {"requestsPerSecond": 9},
    "identity": {"requestsPerSecond": 3},
    "overrides": [{"requestsPerSecond": 5, "clientRefs": [by("ServiceAccount", "a")]}],
}


def counted(asked: Asked, **more: Any) -> list[str]:
    found = counted_at_server(World.of([server(**more), limits(**SPEC), WEB]), WEB, asked)
    return [one.rule.path for one in found]


def test_the_total_and_the_clients_own_limit_or_that_of_each_identity() -> None:
    assert counted(Asked(port=8080, principal="cluster.local/ns/default/sa/a")) == ["spec.total", "spec.overrides[0]"]
    assert counted(Asked(port=8080, principal="cluster.local/ns/default/sa/b")) == ["spec.total", "spec.identity"]
    assert counted(Asked(port=8080)) == ["spec.total", "spec.identity"]


def test_bytes_and_other_ports_are_not_counted() -> None:
    assert counted(Asked(port=9090)) == []
    assert counted(Asked(port=8080, parsed=False)) == []
    assert counted(Asked(port=8080), proxyProtocol="opaque") == []
