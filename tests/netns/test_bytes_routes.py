"""Routes of TCP and TLS of a VirtualService, with real connections through a real Envoy."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterator

import pytest

from netns.externallab import Outside, running

pytestmark = pytest.mark.root

ENTRIES = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db}
spec:
  hosts: [db.example.com]
  addresses: [198.51.100.0/24]
  resolution: STATIC
  ports: [{number: 80, name: tcp, protocol: TCP}, {number: 81, name: more, protocol: TCP, targetPort: 80}]
  endpoints: [{address: 192.0.2.10}, {address: 192.0.2.11, labels: {v: two}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db}
spec:
  host: db.example.com
  subsets: [{name: one, labels: {v: one}}, {name: two, labels: {v: two}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: db}
spec:
  hosts: [db.example.com]
  tcp: %s
""".replace("{address: 192.0.2.10}", "{address: 192.0.2.10, labels: {v: one}}")


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with running("byt") as made:
        yield made


def to(subset: str, weight: int = 100) -> dict[str, object]:
    return {"destination": {"host": "db.example.com", "subset": subset}, "weight": weight}


def put(outside: Outside, *routes: dict[str, object]) -> None:
    outside.apply(ENTRIES % json.dumps(routes))


def apps(outside: Outside, url: str, times: int = 1, who: str = "a") -> collections.Counter[str]:
    found: collections.Counter[str] = collections.Counter()
    for _ in range(times):
        status, body = outside.curl(url, who=who)
        found[json.loads(body)["app"] if status == 200 else str(status)] += 1
    return found


def test_addresses_ports_and_sources_choose(outside: Outside) -> None:
    put(
        outside,
        {"match": [{"destinationSubnets": ["198.51.100.128/25"], "port": 80}], "route": [to("two")]},
        {"match": [{"sourceNamespace": "other", "port": 80}], "route": [to("two")]},
        {"match": [{"port": 80}], "route": [to("one")]},
    )
    assert apps(outside, "http://198.51.100.200/", 4) == {"two": 4}
    assert apps(outside, "http://198.51.100.1/", 4) == {"one": 4}
    assert apps(outside, "http://198.51.100.1/", 4, "b") == {"two": 4}
    # Of the other port no route says anything: it goes to all endpoints.
    assert set(apps(outside, "http://198.51.100.1:81/", 12)) == {"one", "two"}


def test_connections_are_shared_by_weight(outside: Outside) -> None:
    put(outside, {"route": [to("one", 1), to("two", 9)]})
    found = apps(outside, "http://198.51.100.1/", 40)
    assert set(found) == {"one", "two"}
    assert found["two"] > found["one"]


def test_what_does_not_exist_is_closed(outside: Outside) -> None:
    outside.apply(ENTRIES % json.dumps([{"route": [to("gone")]}]), lenient=True)
    assert apps(outside, "http://198.51.100.1/") == {"0": 1}
