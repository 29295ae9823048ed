"""ServiceEntries, WorkloadEntries and Sidecars as istiod's admission judges them."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate
from tandem.model.schemas.walk import walk

HTTP = {"number": 80, "name": "http", "protocol": "HTTP"}
TCP = {"number": 5432, "name": "tcp", "protocol": "TCP"}
ADDRESS = {"address": "192.0.2.1"}
ONE = {"hosts": ["a.test"], "ports": [HTTP]}


def entry(**spec: Any) -> dict[str, Any]:
    return {**ONE, "resolution": "STATIC", **spec}


CASES: list[tuple[str, dict[str, Any], str]] = [
    ("SeSpec", entry(hosts=[]), "s.hosts"),
    ("SeSpec", entry(hosts=["*"]), "s.hosts[0]"),
    ("SeSpec", entry(hosts=["-"]), "s.hosts[0]"),
    ("SeSpec", entry(addresses=["300.0.0.1"]), "s.addresses[0]"),
    ("SeSpec", entry(ports=[HTTP, {**HTTP, "number": 81}]), "s.ports[1].name"),
    ("SeSpec", entry(ports=[HTTP, {**HTTP, "name": "b"}]), "s.ports[1].number"),
    ("SeSpec", entry(ports=[{**HTTP, "name": "a_b"}]), "s.ports[0].name"),
    ("SeSpec", entry(ports=[{**HTTP, "protocol": "SMTP"}]), "s.ports[0].protocol"),
    ("SeSpec", entry(workloadSelector={"labels": {"a": "b"}}, endpoints=[ADDRESS]), "s.endpoints"),
    ("SeSpec", entry(resolution="DNS", addresses=["192.0.2.0/24"]), "s.addresses"),
    ("SeSpec", entry(resolution="NONE", endpoints=[ADDRESS]), "s.endpoints"),
    ("SeSpec", entry(resolution="DNS_ROUND_ROBIN", endpoints=[ADDRESS, ADDRESS]), "s.endpoints"),
    ("SeSpec", entry(resolution="DNS", hosts=["*.a.test"]), "s.hosts[0]"),
    ("SeSpec", entry(endpoints=[{"address": "b.test"}]), "s.endpoints[0].address"),
    ("SeSpec", entry(resolution="DNS", endpoints=[{"address": "unix:///a"}]), "s.endpoints[0].address"),
    ("SeSpec", entry(endpoints=[{**ADDRESS, "ports": {"b": 81}}]), "s.endpoints[0].ports[b]"),
    ("SeSpec", entry(ports=[HTTP, TCP], endpoints=[{"address": "unix:///a"}]), "s.endpoints[0].address"),
    ("SeSpec", entry(resolution="DYNAMIC_DNS"), "s.hosts[0]"),
    ("SeSpec", entry(resolution="DYNAMIC_DNS", hosts=["*.test"], addresses=["192.0.2.1"]), "s.addresses"),
    ("SeSpec", entry(resolution="DYNAMIC_DNS", hosts=["*.test"], ports=[TCP]), "s.ports[0].protocol"),
    ("SeSpec", entry(hosts=["a.test", "b.test"], ports=[HTTP, TCP]), "s.ports[1].protocol"),
    ("WeSpec", {}, "s.address"),
    ("WeSpec", {"address": "a.test:443"}, "s.address"),
    ("WeSpec", {"address": "unix://a"}, "s.address"),
    ("WeSpec", {"address": "unix:///a", "ports": {"http": 80}}, "s.ports"),
    ("ScSpec", {}, "s"),
    ("ScSpec", {"egress": [{"hosts": ["./a.test"]}, {"hosts": ["*/*"]}]}, "s.egress[0].port"),
    (
        "ScSpec",
        {"egress": [{"port": {**HTTP}, "hosts": ["*/*"]}, {"port": {**TCP, "number": 80}, "hosts": ["*/*"]}]},
        "s.egress[1].port.number",
    ),
    ("ScIngress", {"port": {"name": "http"}}, "s.port.number"),
    ("ScIngress", {"port": HTTP, "bind": "a"}, "s.bind"),
    ("ScIngress", {"port": HTTP, "defaultEndpoint": "10.1.1.1:80"}, "s.defaultEndpoint"),
    ("ScIngress", {"port": HTTP, "defaultEndpoint": "127.0.0.1:http"}, "s.defaultEndpoint"),
    ("ScIngress", {"port": HTTP, "defaultEndpoint": "unix://"}, "s.defaultEndpoint"),
    ("ScIngress", {"port": HTTP, "tls": {"mode": "SIMPLE", "serverCertificate": "/c", "privateKey": "/k"}}, "s.tls"),
    ("ScIngress", {"port": {**HTTP, "protocol": "HTTPS"}, "tls": {"mode": "ISTIO_MUTUAL"}}, "s.tls.mode"),
    ("ScEgress", {"hosts": []}, "s.hosts"),
    ("ScEgress", {"hosts": ["*"]}, "s.hosts[0]"),
    ("ScEgress", {"hosts": ["./a"]}, "s.hosts[0]"),
    ("ScEgress", {"hosts": ["~A_B/*"]}, "s.hosts[0]"),
    ("ScEgress", {"hosts": ["*/*a.test"]}, "s.hosts[0]"),
    ("ScEgress", {"hosts": ["*/*"], "port": {"name": "http"}}, "s.port.number"),
    ("ScOutbound", {"egressProxy": {"host": "a.test", "port": {"number": 80}}}, "s.egressProxy"),
    ("ScOutbound", {"mode": "ALLOW_ANY", "egressProxy": {"host": "a.test"}}, "s.egressProxy.port"),
]


@pytest.mark.parametrize(("table", "raw", "path"), CASES)
def test_what_istio_refuses_is_refused(table: str, raw: dict[str, Any], path: str) -> None:
    assert [line.partition(": ")[0] for line in walk(raw, table, "s")] == [path]


@pytest.mark.parametrize(
    ("table", "raw"),
    [
        ("SeSpec", entry(resolution="NONE", hosts=["*.a.test", "b.test"], ports=[TCP], addresses=["192.0.2.0/24"])),
        ("SeSpec", entry(resolution="DNS", endpoints=[{"address": "b.test", "ports": {"http": 8080}}])),
        ("SeSpec", entry(endpoints=[{"network": "other"}])),
        ("WeSpec", {"address": "b.test", "ports": {"http": 80}}),
        ("ScSpec", {"egress": [{"hosts": ["*/*", "~bar/*"]}]}),
        ("ScSpec", {"outboundTrafficPolicy": {"mode": "ALLOW_ANY"}}),
        ("ScIngress", {"port": {"number": 80}, "defaultEndpoint": "[::1]:8080"}),
    ],
)
def test_what_istio_takes_is_taken(table: str, raw: dict[str, Any]) -> None:
    assert list(walk(raw, table, "s")) == []


def test_an_entry_may_be_exported_to_nobody() -> None:
    raw = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "a", "labels": {"istio.io/use-waypoint": "w"}},
    }
    assert validate({**raw, "spec": entry(exportTo=["~"])}) == []
    assert validate({**raw, "spec": entry(exportTo=["~", "."])}) == [
        "spec.exportTo[0]: '~' may not be given together with others"
    ]
    inside = entry(resolution="DYNAMIC_DNS", hosts=["*.test"], location="MESH_INTERNAL")
    assert validate({**raw, "spec": inside}) == [
        "spec.location: MESH_INTERNAL may not be given together with DYNAMIC_DNS and a waypoint"
    ]
