"""What is wrong with a ServiceEntry, and whom a host means."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.egress import ServiceEntry
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.mesh.istio.serviceentry import Entries, addresses_of, read_entries
from tandem.translate.options import Options

HTTP = {"number": 80, "name": "http", "protocol": "HTTP"}
TCP = {"number": 90, "name": "raw", "protocol": "TCP"}
ONE = [{"address": "192.0.2.1"}]
EACH: dict[str, Any] = {"resolution": "DYNAMIC_DNS", "hosts": ["*.a.com"], "endpoints": None}


def entry(name: str = "api", *, namespace: str = "shop", created: str = "", **fields: Any) -> Object:
    meta = {"name": name, "namespace": namespace, **({"creationTimestamp": created} if created else {})}
    spec = {"hosts": ["api.example.com"], "resolution": "STATIC", "ports": [HTTP], "endpoints": ONE, **fields}
    spec = {key: value for key, value in spec.items() if value is not None}
    return parse({"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": meta, "spec": spec})


def read(*entries: Object) -> Entries:
    return read_entries(World.of(entries), Options())


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"hosts": []}, "spec.hosts", "InvalidValue"),
        ({"hosts": ["*"]}, "spec.hosts[0]", "InvalidValue"),
        ({"hosts": ["short"]}, "spec.hosts[0]", "InvalidValue"),
        ({"hosts": ["a.*.com"]}, "spec.hosts[0]", "InvalidValue"),
        ({"hosts": ["web.shop.svc.cluster.local"]}, "spec.hosts[0]", "UnsupportedValue"),
        ({"hosts": ["*.a.com"], "resolution": "DNS", "endpoints": None}, "spec.hosts[0]", "InvalidValue"),
        ({"resolution": "DYNAMIC_DNS", "endpoints": None}, "spec.hosts[0]", "InvalidValue"),
        ({"resolution": "DYNAMIC_DNS", "hosts": ["*.a.com"]}, "spec.endpoints", "InvalidValue"),
        ({**EACH, "addresses": ["192.0.2.1"]}, "spec.addresses", "InvalidValue"),
        ({**EACH, "workloadSelector": {"labels": {"a": "b"}}}, "spec.workloadSelector", "InvalidValue"),
        ({**EACH, "ports": [TCP]}, "spec.ports[0].protocol", "InvalidValue"),
        ({"addresses": ["nonsense"]}, "spec.addresses[0]", "InvalidValue"),
        ({"addresses": ["10.0.0.1/8"]}, "spec.addresses[0]", "InvalidValue"),
        ({"addresses": ["127.0.0.1"]}, "spec.addresses[0]", "InvalidValue"),
        ({"addresses": ["fe80::1"]}, "spec.addresses[0]", "InvalidValue"),
        ({"addresses": ["10.0.0.0/8"], "resolution": "DNS"}, "spec.addresses[0]", "InvalidValue"),
        ({"ports": []}, "spec.ports", "InvalidValue"),
        ({"ports": [HTTP, {**HTTP, "number": 81}]}, "spec.ports[1].name", "InvalidValue"),
        ({"ports": [HTTP, {**HTTP, "name": "x"}]}, "spec.ports[1].number", "InvalidValue"),
        ({"ports": [{**HTTP, "protocol": "UDP"}]}, "spec.ports[0].protocol", "UnsupportedValue"),
        ({"ports": [TCP], "hosts": ["*.a.com"]}, "spec.ports[0].protocol", "InvalidValue"),
        ({"ports": [TCP], "exportTo": ["."]}, "spec.ports[0].protocol", "InvalidValue"),
        ({"endpoints": None}, "spec.endpoints", "InvalidValue"),
        ({"resolution": "NONE"}, "spec.endpoints", "InvalidValue"),
        ({"workloadSelector": {"labels": {"a": "b"}}}, "spec.workloadSelector", "InvalidValue"),
        ({"endpoints": None, "workloadSelector": {}}, "spec.workloadSelector.labels", "InvalidValue"),
        ({"endpoints": [{"address": "db.example.com"}]}, "spec.endpoints[0].address", "InvalidValue"),
        ({"endpoints": [{"address": "unix:///x"}]}, "spec.endpoints[0].address", "InvalidValue"),
        (
            {"endpoints": [{"address": "127.0.0.1"}, {"address": "192.0.2.1"}]},
            "spec.endpoints[0].address",
            "InvalidValue",
        ),
        ({"endpoints": [{"address": "short"}], "resolution": "DNS"}, "spec.endpoints[0].address", "InvalidValue"),
        ({"endpoints": [{"address": "192.0.2.1", "ports": {"x": 1}}]}, "spec.endpoints[0].ports[x]", "InvalidValue"),
        ({"endpoints": ONE * 2, "resolution": "DNS_ROUND_ROBIN"}, "spec.endpoints", "InvalidValue"),
    ],
)
def test_a_mistake_refuses_the_whole_entry(fields: dict[str, Any], path: str, code: str) -> None:
    found = read(entry(**fields))
    assert [(p.at.path, p.code) for p in found.problems if p.severity.value == "error"] == [(path, code)]
    assert not found.hosts


def test_a_host_that_is_the_pod_itself_is_no_host_and_an_authorizer_may_be_it() -> None:
    found = read(entry(endpoints=[{"address": "127.0.0.1"}]))
    assert (found.hosts, list(found.own)) == ({}, [("shop", "api.example.com")])
    assert [(p.at.path, p.severity.value) for p in found.problems] == [("spec.endpoints", "warning")]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"endpoints": [{"address": "192.0.2.1", "network": "n"}]}, "spec.endpoints[0].network"),
        ({"resolution": "NONE", "endpoints": None, "ports": [{**HTTP, "targetPort": 8}]}, "spec.ports[0].targetPort"),
        ({"exportTo": ["."]}, "spec.exportTo"),
    ],
)
def test_what_has_no_effect_is_told(fields: dict[str, Any], path: str) -> None:
    found = read(entry(**fields))
    assert [(p.at.path, p.code, p.severity.value) for p in found.problems] == [(path, "NoEffect", "warning")]
    assert found.hosts


def test_what_a_cloud_tells_its_machines_can_be_a_host() -> None:
    found = read(entry(addresses=["169.254.169.254"], resolution="NONE", endpoints=None))
    assert not found.problems
    assert found.hosts


def test_a_host_means_that_of_the_own_namespace_then_the_oldest_seen() -> None:
    old = entry("old", namespace="z", created="2026-01-01T00:00:00Z")
    new = entry("new", namespace="y", created="2026-02-01T00:00:00Z")
    hidden = entry("hidden", namespace="x", created="2025-01-01T00:00:00Z", exportTo=["."])
    found = read(new, old, hidden)
    assert found.find("api.example.com", "shop") == ("z", "api.example.com")
    assert found.find("api.example.com", "y") == ("y", "api.example.com")
    assert found.find("api.example.com", "x") == ("x", "api.example.com")
    assert found.find("www.example.com", "shop") is None


def test_a_pattern_means_each_host_that_it_covers() -> None:
    found = read(entry(hosts=["b.example.com", "a.example.com", "*.example.com", "example.com", "a.example.org"]))
    hosts = [host for _, host in found.covered("*.example.com", "shop")]
    assert hosts == ["*.example.com", "a.example.com", "b.example.com"]


def test_of_two_entries_of_a_namespace_the_older_has_the_host() -> None:
    found = read(entry("b", created="2026-02-01T00:00:00Z"), entry("a", created="2026-03-01T00:00:00Z"))
    assert found.hosts["shop", "api.example.com"].metadata.name == "b"
    assert [(p.at.name, p.at.path, p.code) for p in found.problems] == [("a", "spec.hosts[0]", "HostConflict")]


POOL = parse(
    {"apiVersion": "tandem.io/v1", "kind": "IPPool", "metadata": {"name": "p"}, "spec": {"cidr": "10.244.0.0/16"}}
)


def test_an_address_of_pods_is_not_led_elsewhere() -> None:
    found = read_entries(World.of([entry(addresses=["192.0.2.9", "10.244.3.7"]), POOL]), Options())
    assert not found.hosts
    assert [(p.code, p.at.path) for p in found.problems] == [("AddressInUse", "spec.addresses[1]")]
    kept = entry(addresses=["10.244.3.7"], resolution="NONE", endpoints=None)
    assert read_entries(World.of([kept, POOL]), Options()).hosts


def test_of_a_prefix_around_pods_the_rest_counts() -> None:
    around = entry(addresses=["10.244.0.0/15"])
    assert isinstance(around, ServiceEntry)
    assert addresses_of(around, ("10.244.0.0/16",)) == ("10.245.0.0/16",)
    assert addresses_of(around, ()) == ("10.244.0.0/15",)
