"""Sidecars and the mesh's own mode."""

from __future__ import annotations

from typing import Any

import pytest

from builders import pod
from tandem.ir.delivery import Arrival
from tandem.ir.outbound import OPEN, Outbound, Visible
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.mesh.istio.delivery import Read
from tandem.translate.mesh.istio.sidecar import SidecarIndex
from tandem.translate.options import Options

POD = pod("a", namespace="shop", app="web")
HOSTS: dict[str, Any] = {"egress": [{"hosts": ["./*"]}]}
CLOSED: dict[str, Any] = {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}


def sidecar(name: str = "own", *, namespace: str = "shop", created: str = "", **spec: Any) -> Object:
    meta = {"name": name, "namespace": namespace, **({"creationTimestamp": created} if created else {})}
    return parse({"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": meta, "spec": spec})


def mesh(text: str) -> Object:
    meta = {"name": "istio", "namespace": "istio-system"}
    return parse({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mesh": text}})


def outbound(*objects: Object) -> Outbound:
    return SidecarIndex(World.of(objects), Options()).outbound(POD)


def seen(*objects: Object) -> list[tuple[str, str, int]]:
    return [(v.namespace, v.host, v.port) for v in outbound(*objects).sees or ()]


def test_without_anything_all_is_open() -> None:
    assert outbound() == OPEN
    assert outbound(mesh("accessLogFile: /dev/stdout")) == OPEN
    assert outbound(mesh("outboundTrafficPolicy: {mode: ALLOW_ANY}")) == OPEN


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("outboundTrafficPolicy: {mode: REGISTRY_ONLY}", 0),
        ("outboundTrafficPolicy: {}", 0),
        ("outboundTrafficPolicy: {mode: SOME}", 1),
        ("outboundTrafficPolicy: nonsense", 1),
        ("a: [", 1),
        ("nonsense", 1),
    ],
)
def test_the_mesh_refuses_where_it_says_so_or_is_not_understood(text: str, told: int) -> None:
    index = SidecarIndex(World.of([mesh(text)]), Options())
    assert index.outbound(POD).registry_only
    assert len(index.problems) == told


def test_the_narrowest_sidecar_decides_and_the_oldest_of_one_scope() -> None:
    root = sidecar(namespace="istio-system", egress=[{"hosts": ["root/*", "./*"]}])
    wide = sidecar("wide", created="2026-01-02T00:00:00Z", egress=[{"hosts": ["wide/*"]}])
    late = sidecar("late", created="2026-01-03T00:00:00Z", egress=[{"hosts": ["late/*"]}])
    own = sidecar("own", workloadSelector={"labels": {"app": "web"}}, egress=[{"hosts": ["own/*"]}])
    other = sidecar("other", workloadSelector={"labels": {"app": "db"}}, egress=[{"hosts": ["other/*"]}])
    assert seen(root) == [("root", "*", 0), ("shop", "*", 0)]
    assert seen(root, late, wide, other) == [("wide", "*", 0)]
    assert seen(root, late, wide, other, own) == [("own", "*", 0)]
    assert [p.code for p in SidecarIndex(World.of([wide, late]), Options()).problems] == ["Shadowed"]


def test_hosts_are_read_with_their_namespace_and_port() -> None:
    listeners = [
        {"port": {"number": 80, "protocol": "HTTP", "name": "http"}, "hosts": ["*/API.example.com"]},
        {"hosts": ["~/*", "a/*.b.com"]},
    ]
    assert seen(sidecar(egress=listeners)) == [("*", "api.example.com", 80), ("a", "*.b.com", 0)]
    assert outbound(sidecar(egress=[{"hosts": ["~/*"]}])).sees == ()


def test_the_mode_of_a_sidecar_comes_before_that_of_the_mesh() -> None:
    strict = mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")
    opened: dict[str, Any] = {"outboundTrafficPolicy": {"mode": "ALLOW_ANY"}}
    assert outbound(strict, sidecar(**opened)) == OPEN
    assert outbound(sidecar(**CLOSED)).registry_only
    assert outbound(sidecar(outboundTrafficPolicy={})).registry_only
    kept = outbound(strict, sidecar(**HOSTS))
    assert (kept.registry_only, kept.sees) == (True, (Visible(namespace="shop", host="*"),))
    assert kept.origin is not None
    assert kept.origin.kind == "ConfigMap"


@pytest.mark.parametrize(
    ("spec", "path", "code"),
    [
        ({"ingress": [{"port": {"number": 80}, "bind": "10.0.0.1"}]}, "spec.ingress[0].bind", "UnsupportedField"),
        (
            {"outboundTrafficPolicy": {"mode": "ALLOW_ANY", "egressProxy": {"host": "e.com"}}},
            "spec.outboundTrafficPolicy.egressProxy",
            "UnsupportedField",
        ),
        ({"egress": [{"bind": "127.0.0.1", "hosts": ["./*"]}]}, "spec.egress[0].bind", "UnsupportedField"),
        ({"egress": [{"captureMode": "NONE", "hosts": ["./*"]}]}, "spec.egress[0].captureMode", "UnsupportedValue"),
        ({"egress": [{"hosts": ["api.example.com"]}]}, "spec.egress[0].hosts[0]", "InvalidValue"),
        ({"egress": [{"hosts": ["./a.*.com"]}]}, "spec.egress[0].hosts[0]", "InvalidValue"),
    ],
)
def test_what_is_not_enforced_is_told_at_its_field(spec: dict[str, Any], path: str, code: str) -> None:
    index = SidecarIndex(World.of([sidecar(**spec)]), Options())
    assert [(p.at.path, p.code) for p in index.problems] == [(path, code)]


def test_what_a_sidecar_restricts_stays_in_force_beside_what_it_cannot() -> None:
    found = outbound(sidecar(ingress=[{"port": {"number": 80}, "bind": "10.0.0.1"}], **HOSTS, **CLOSED))
    assert (found.registry_only, found.sees) == (True, (Visible(namespace="shop", host="*"),))
    assert outbound(sidecar(egress=[{"hosts": ["nonsense"]}])).sees == ()


def test_what_pods_are_sent_is_said_by_the_same_sidecar() -> None:
    own = sidecar(ingress=[{"port": {"number": 80}, "defaultEndpoint": "127.0.0.1:8080"}])
    index = SidecarIndex(World.of([own]), Options())
    assert index.delivery(POD).delivery.arrivals == (Arrival(port=80, target=8080, loopback="127.0.0.1"),)
    other = pod("b", namespace="other")
    assert index.delivery(other) == Read()
