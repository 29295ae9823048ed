"""Hosts of ServiceEntries, as the reference reads them."""

from __future__ import annotations

from typing import Any

from builders import pod
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.reference.hosts import host_of, refusal

POD = pod("a", namespace="shop", app="web")
HTTP = {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}


def entry(namespace: str = "shop", name: str = "e", **spec: Any) -> Object:
    base = {
        "hosts": ["api.example.com"],
        "resolution": "STATIC",
        "ports": [HTTP],
        "endpoints": [{"address": "192.0.2.1"}],
    }
    return istio("ServiceEntry", name, namespace, {**base, **spec})


def istio(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> Object:
    meta = {"name": name, "namespace": namespace}
    return parse({"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": meta, "spec": spec})


def mesh(text: str) -> Object:
    meta = {"name": "istio", "namespace": "istio-system"}
    return parse({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mesh": text}})


def ends(*objects: Object, name: str = "api.example.com", namespace: str = "shop") -> Any:
    found = host_of(World.of(objects), name, 80, namespace)
    return None if found is None else (found.entry.metadata.namespace, found.ends)


def test_a_name_means_the_own_namespaces_entry_then_one_that_is_seen() -> None:
    other = entry("other", endpoints=[{"address": "192.0.2.2", "ports": {"http": 81}}])
    assert ends(entry(), other) == ("shop", (("192.0.2.1", 8080),))
    assert ends(entry(exportTo=["."]), other, namespace="third") == ("other", (("192.0.2.2", 81),))
    assert ends(entry(exportTo=["."]), namespace="third") is None


def test_a_wildcard_has_the_names_below_it_and_is_their_own_end() -> None:
    wild = entry(hosts=["*.example.com"], resolution="NONE", endpoints=[])
    assert ends(wild) == ("shop", (("api.example.com", 80),))
    assert ends(wild, name="example.com") is None


def refused(*objects: Object, name: str = "api.example.com") -> str:
    world = World.of(objects)
    at = refusal(world, POD, host_of(world, name, 80, "shop"), name)
    return at.kind if at is not None else ""


def test_what_is_not_seen_is_refused_where_a_sidecar_or_the_mesh_says_so() -> None:
    closed = istio("Sidecar", "s", "shop", {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}})
    opened = istio("Sidecar", "s", "shop", {"outboundTrafficPolicy": {"mode": "ALLOW_ANY"}})
    narrow = istio("Sidecar", "s", "shop", {"egress": [{"hosts": ["./other.example.com"]}]})
    whole = mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")
    assert refused() == ""
    assert refused(closed) == "Sidecar"
    assert refused(closed, entry()) == ""
    assert refused(whole) == "ConfigMap"
    assert refused(whole, opened) == ""
    assert refused(whole, entry()) == ""
    assert refused(whole, narrow, entry()) == "ConfigMap"
    assert refused(mesh("outboundTrafficPolicy: {mode: ALLOW_ANY}")) == ""
    assert refused(mesh("a: [")) == "ConfigMap"
