"""Hosts of ServiceEntries, with real requests of a pod through a real Envoy to servers outside."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from netns.externallab import OUTSIDE, Outside, running

pytestmark = pytest.mark.root

STATIC = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api}
spec:
  hosts: [api.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: raw, protocol: TCP, targetPort: 80}]
  endpoints: [{address: 192.0.2.10}]
"""

RAW = ", {number: 81, name: raw, protocol: TCP, targetPort: 80}"
SECOND = "{address: 192.0.2.11, labels: {version: new}}"
WILD = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wild}
spec:
  hosts: ["*.example.com"]
  ports: [{number: 80, name: http, protocol: HTTP}]
"""
ROUTES = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec:
  host: api.example.com
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
  subsets: [{name: new, labels: {version: new}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: ["*.example.com"]
  http:
  - match: [{uri: {prefix: /new}}]
    route: [{destination: {host: api.example.com, subset: new}}]
  - match: [{uri: {prefix: /gone}}]
    directResponse: {status: 410}
  - route: [{destination: {host: api.example.com}}]
"""


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with running("ext") as made:
        yield made


def app(answer: tuple[int, str]) -> str:
    status, body = answer
    return str(json.loads(body)["app"]) if status == 200 else str(status)


def test_the_address_that_a_host_is_given_leads_to_its_endpoints(outside: Outside) -> None:
    outside.apply(STATIC)
    given = outside.address("shop/api.example.com")
    assert given.startswith("240.240.")
    assert app(outside.curl("http://api.example.com/", address=given)) == "one"
    assert app(outside.curl("http://api.example.com:81/", address=given)) == "one"


def test_requests_to_any_address_are_told_by_their_authority(outside: Outside) -> None:
    outside.apply(STATIC)
    assert app(outside.curl("http://api.example.com/", address=OUTSIDE["two"])) == "one"
    assert app(outside.curl("http://API.example.com/", address=OUTSIDE["two"])) == "one"
    assert app(outside.curl("http://unknown.example.com/", address=OUTSIDE["two"])) == "two"


def test_other_pods_share_what_is_exported_and_nothing_else(outside: Outside) -> None:
    outside.apply(STATIC.replace("location:", 'exportTo: ["."]\n  location:').replace(RAW, ""))
    assert app(outside.curl("http://api.example.com/", address=OUTSIDE["two"])) == "one"
    assert app(outside.curl("http://api.example.com/", address=OUTSIDE["two"], who="b")) == "two"


def test_an_address_of_the_entry_is_taken_whatever_is_asked_for(outside: Outside) -> None:
    outside.apply(STATIC.replace("location:", "addresses: [198.51.100.0/24]\n  location:"))
    assert app(outside.curl("http://198.51.100.7/")) == "one"
    assert app(outside.curl("http://198.51.100.8:81/")) == "one"
    assert app(outside.curl("http://api.example.com/", address=OUTSIDE["two"])) == "two"


def test_without_resolution_the_address_that_was_dialled_is_kept(outside: Outside) -> None:
    outside.apply(WILD)
    assert app(outside.curl("http://a.example.com/", address=OUTSIDE["one"])) == "one"
    assert app(outside.curl("http://b.example.com/", address=OUTSIDE["two"])) == "two"


def test_routes_and_subsets_apply_to_hosts_as_to_services(outside: Outside) -> None:
    outside.apply(STATIC.replace("endpoints: [", f"endpoints: [{SECOND}, ") + ROUTES)
    assert app(outside.curl("http://api.example.com/new", address=OUTSIDE["two"])) == "two"
    assert {app(outside.curl("http://api.example.com/old", address=OUTSIDE["one"])) for _ in range(8)} == {"one", "two"}
    assert outside.curl("http://api.example.com/gone", address=OUTSIDE["one"])[0] == 410


def test_weights_of_endpoints_are_shares(outside: Outside) -> None:
    outside.apply(STATIC.replace("endpoints: [", "endpoints: [{address: 192.0.2.11, weight: 63}, "))
    given = outside.address("shop/api.example.com")
    seen = [app(outside.curl("http://api.example.com/", address=given)) for _ in range(24)]
    assert seen.count("two") > 12


def test_endpoints_that_nobody_answers_for_are_an_error(outside: Outside) -> None:
    outside.apply(STATIC.replace("192.0.2.10", "192.0.2.10, ports: {http: 82}"))
    assert outside.curl("http://api.example.com/", address=outside.address("shop/api.example.com"))[0] == 503


NODES = """
apiVersion: v1
kind: Node
metadata: {name: n2}
spec: {podCIDR: 192.0.2.0/28}
---
"""
"""The hosts of the lab are pods of another node then."""
THIEF = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: thief, namespace: other}
spec:
  hosts: [thief.example.org]
  resolution: STATIC
  addresses: ["%s"]
  ports: [{number: 80, name: raw, protocol: TCP}]
  endpoints: [{address: 192.0.2.11}]
"""


@pytest.mark.parametrize("taken", ["192.0.2.10", "192.0.2.8/29", "192.0.0.0/16", "0.0.0.0/0"])
def test_an_entry_of_another_namespace_takes_no_connection_to_a_pod(outside: Outside, taken: str) -> None:
    outside.apply(THIEF % taken)
    assert '"two"' in outside.curl("http://192.0.2.10/")[1]
    outside.apply(NODES + THIEF % taken, lenient=True)
    assert '"one"' in outside.curl("http://192.0.2.10/")[1]
