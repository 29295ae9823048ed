"""REGISTRY_ONLY and Sidecars, with real requests through a real Envoy, and what flows say of refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from netns.externallab import OUTSIDE, Outside, flow_of, running
from tandem.compile import names
from tandem.observe.flow import Verdict

pytestmark = pytest.mark.root

MESH = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "outboundTrafficPolicy: {mode: REGISTRY_ONLY}"}
---
"""
KNOWN = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: known}
spec:
  hosts: [known.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
"""
WEB = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: two}
spec:
  hosts: [two.example.com]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 192.0.2.11}]
"""
SIDECAR = """
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: %s}
spec: {%s}
"""
ONE = OUTSIDE["one"]


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with running("reg") as made:
        yield made


def status(outside: Outside, url: str, address: str, who: str = "a") -> int:
    return outside.curl(url, address=address, who=who)[0]


def test_what_is_not_registered_is_refused_and_told(outside: Outside) -> None:
    outside.apply(MESH + KNOWN)
    assert status(outside, "http://known.example.com/seen", ONE) == 200
    went = flow_of(outside, names.source_log(outside.pod("a").pod.uid), "/seen")
    assert (went.verdict, went.destination.service) == (Verdict.ALLOWED, "shop/known.example.com")
    assert status(outside, "http://unknown.example.com/secret", ONE) == 502
    told = flow_of(outside, names.source_log(outside.pod("a").pod.uid), "/secret")
    assert (told.verdict, told.direction, [r.kind for r in told.rules]) == (Verdict.DENIED, "egress", ["ConfigMap"])
    assert status(outside, "http://unknown.example.com:81/", ONE) == 0
    told = flow_of(outside, names.outside_log(outside.pod("a").pod.uid), "")
    assert (told.verdict, told.destination.address, told.destination.port) == (Verdict.DENIED, ONE, 81)
    assert "REGISTRY_ONLY" in told.reason


def test_all_is_open_again_when_the_mode_goes(outside: Outside) -> None:
    outside.apply(KNOWN)
    assert status(outside, "http://unknown.example.com/", ONE) == 200


def test_a_sidecar_says_the_mode_for_its_namespace(outside: Outside) -> None:
    outside.apply(KNOWN + SIDECAR % ("shop", "outboundTrafficPolicy: {mode: REGISTRY_ONLY}"))
    assert status(outside, "http://unknown.example.com/", ONE) == 502
    assert status(outside, "http://unknown.example.com/", ONE, "b") == 200


def test_a_sidecar_says_which_hosts_are_seen(outside: Outside) -> None:
    narrow = SIDECAR % ("shop", 'egress: [{hosts: ["./known.example.com"]}]')
    outside.apply(KNOWN + WEB + narrow)
    given = outside.address("shop/two.example.com")
    assert json.loads(outside.curl("http://two.example.com/", address=ONE, who="b")[1])["app"] == "two"
    # Not seen, so it goes where it was sent, as any host.
    assert json.loads(outside.curl("http://two.example.com/", address=ONE)[1])["app"] == "one"
    outside.apply(MESH + KNOWN + WEB + narrow)
    assert status(outside, "http://known.example.com/", ONE) == 200
    assert status(outside, "http://two.example.com/", ONE) == 502
    assert status(outside, "http://two.example.com/", given) == 502
    assert status(outside, "http://two.example.com/", given, "b") == 200
