"""Which endpoints of a ServiceEntry come first by where they are: the table of Istio's own test, with a real Envoy."""

from __future__ import annotations

import collections
import json
import time
from collections.abc import Iterator
from typing import Final

import msgspec
import pytest

from meshbuild import NODE
from netns.externallab import Outside, running

pytestmark = pytest.mark.root

HERE: Final = msgspec.structs.replace(NODE, region="eu", zone="west", subzone="one")
GONE: Final = "192.0.2.99"
ENTRY: Final = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: far, annotations: {%s}}
spec:
  hosts: [far.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [%s]
"""
RULE: Final = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: far}
spec:
  host: far.example.com
  trafficPolicy:
    connectionPool: {tcp: {connectTimeout: 250ms}}
    loadBalancer: {simple: ROUND_ROBIN, localityLbSetting: {%s}}
    outlierDetection: {interval: 1s, baseEjectionTime: 10m, maxEjectionPercent: 100}
"""
FAILOVER: Final = "failover: [{from: eu, to: near}]"
PRIORITY: Final = (
    "failoverPriority: [topology.kubernetes.io/region, topology.kubernetes.io/zone, topology.istio.io/subzone]"
)
SHARES: Final = "distribute: [{from: eu, to: {near: 80, eu: 20}}]"
LOCAL, NEAR, REMOTE = "eu/west/one", "near/west/one", "us/a/x"
ONE, TWO = "192.0.2.10", "192.0.2.11"


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with running("xl") as made:
        yield made


def put(outside: Outside, ends: dict[str, str], setting: str = "", wish: str = "") -> None:
    listed = ", ".join(f"{{address: {address}, locality: {where}}}" for where, address in ends.items())
    note = f"networking.istio.io/traffic-distribution: {wish}" if wish else ""
    outside.apply(ENTRY % (note, listed) + (RULE % setting if setting else ""), node=HERE, nodes={NODE.name: HERE})


def asked(outside: Outside, times: int) -> collections.Counter[str]:
    address = outside.address("shop/far.example.com")
    answers = [outside.curl("http://far.example.com/", address=address) for _ in range(times)]
    return collections.Counter(json.loads(body)["app"] if status == 200 else str(status) for status, body in answers)


@pytest.mark.parametrize(
    ("ends", "setting", "wish", "first"),
    [
        ({LOCAL: ONE, REMOTE: TWO}, FAILOVER, "", "one"),
        ({LOCAL: TWO, REMOTE: ONE}, FAILOVER, "", "two"),
        ({LOCAL: ONE, NEAR: TWO}, PRIORITY, "", "one"),
        ({LOCAL: TWO, NEAR: ONE}, PRIORITY, "", "two"),
        ({LOCAL: TWO, REMOTE: ONE}, "", "PreferClose", "two"),
        ({LOCAL: TWO, REMOTE: ONE}, "", "PreferSameZone", "two"),
        ({LOCAL: ONE, REMOTE: TWO}, "", "prefersamenode", "one"),
    ],
)
def test_the_nearest_come_first(outside: Outside, ends: dict[str, str], setting: str, wish: str, first: str) -> None:
    put(outside, ends, setting, wish)
    assert asked(outside, 10) == {first: 10}


def test_without_a_word_all_are_alike(outside: Outside) -> None:
    put(outside, {LOCAL: ONE, REMOTE: TWO})
    assert set(asked(outside, 30)) == {"one", "two"}


def test_the_region_that_stands_in_comes_before_others(outside: Outside) -> None:
    put(outside, {LOCAL: GONE, NEAR: ONE, REMOTE: TWO}, FAILOVER)
    deadline = time.monotonic() + 30
    while asked(outside, 5) != {"one": 5}:
        assert time.monotonic() < deadline, "the nearest one never answers, and is left in the end"
    assert asked(outside, 10) == {"one": 10}


def test_parts_are_shared_out(outside: Outside) -> None:
    put(outside, {LOCAL: ONE, NEAR: TWO, REMOTE: GONE}, SHARES)
    found = asked(outside, 60)
    assert set(found) == {"one", "two"}
    assert 36 <= found["two"] <= 58, found
