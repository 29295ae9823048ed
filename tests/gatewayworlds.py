"""Builders of gateways for tests: `gateway("edge", listener("http"))`; all of them go through `model.parse`."""

from __future__ import annotations

import base64
from typing import Any, cast

import msgspec

from builders import service
from meshworlds import httproute
from pems import pem
from tandem.base.problems import by_object
from tandem.model import core
from tandem.model.gateway import HTTPRoute
from tandem.model.gateways import CONTROLLER, GROUP, Gateway, GatewayClass, ReferenceGrant
from tandem.model.gatewayservices import GATEWAY_CLASS, service_name
from tandem.model.listenersets import ListenerSet
from tandem.model.meta import Object, OwnerReference
from tandem.model.parse import parse
from tandem.model.pools import LoadBalancerPool
from tandem.model.tcproute import TCPRoute
from tandem.model.tlsroute import TLSRoute
from tandem.model.udproute import UDPRoute
from tandem.model.world import World
from tandem.translate.balancers import Assignment
from tandem.translate.conditions import Programmed
from tandem.translate.gateway import translate_gateways
from tandem.translate.gateway.edge import Edge
from tandem.translate.gateway.secured import secure_backends
from tandem.translate.options import Options
from tandem.translate.status import WRITTEN, Given, patches_of

Raw = dict[str, Any]
API = f"{GROUP}/v1"


def gateway_class(name: str = "tandem", controller: str = CONTROLLER, **spec: Any) -> GatewayClass:
    meta = {"name": name, "generation": 1}
    raw = {"apiVersion": API, "kind": "GatewayClass", "metadata": meta, "spec": {"controllerName": controller, **spec}}
    return cast("GatewayClass", parse(raw))


def listener(name: str = "http", port: int = 80, protocol: str = "HTTP", **more: Any) -> Raw:
    return {"name": name, "port": port, "protocol": protocol, **more}


def https(name: str = "https", *, of: str = "cert", port: int = 443, ns: str = "", **more: Any) -> Raw:
    ref = {"name": of, **({"namespace": ns} if ns else {})}
    return listener(name, port, "HTTPS", tls={"certificateRefs": [ref]}, **more)


def gateway(
    name: str = "edge",
    *listeners: Raw,
    ns: str = "default",
    created: str = "",
    status: Raw | None = None,
    notes: dict[str, str] | None = None,
    **spec: Any,
) -> Gateway:
    """A Gateway; keywords are further fields of its spec."""
    meta: Raw = {"name": name, "namespace": ns, "uid": f"uid-{ns}-{name}", "generation": 1, "annotations": notes or {}}
    if created:
        meta["creationTimestamp"] = created
    body = {"gatewayClassName": "tandem", "listeners": list(listeners or (listener(),)), **spec}
    raw: Raw = {"apiVersion": API, "kind": "Gateway", "metadata": meta, "spec": body}
    if status is not None:
        raw["status"] = status
    return cast("Gateway", parse(raw))


def standing(made: Gateway, ip: str = "10.96.0.77", ports: list[Raw] | None = None) -> core.Service:
    """The Service that stands for a Gateway."""
    spec = {"type": "LoadBalancer", "loadBalancerClass": GATEWAY_CLASS}
    given = ports or [{"name": "http-80", "port": 80}]
    found = service(service_name(made), ns=made.key[0], ip=ip, ports=given, selector={}, **spec)
    owner = OwnerReference(api_version=API, kind="Gateway", name=made.key[1], uid=made.metadata.uid, controller=True)
    meta = msgspec.structs.replace(found.metadata, owner_references=(owner,))
    return msgspec.structs.replace(found, metadata=meta)


def allowing(frm: str, **more: Any) -> Raw:
    """`allowedListeners` of a Gateway."""
    return {"allowedListeners": {"namespaces": {"from": frm, **more}}}


def listenerset(
    name: str, *listeners: Raw, to: Raw | None = None, ns: str = "default", created: str = "", status: Raw | None = None
) -> ListenerSet:
    """A ListenerSet of Gateway edge, or of `to`."""
    meta: Raw = {"name": name, "namespace": ns, "generation": 1}
    if created:
        meta["creationTimestamp"] = created
    spec = {"parentRef": to or {"name": "edge"}, "listeners": list(listeners or (listener(),))}
    raw: Raw = {"apiVersion": API, "kind": "ListenerSet", "metadata": meta, "spec": spec}
    if status is not None:
        raw["status"] = status
    return cast("ListenerSet", parse(raw))


def in_set(name: str, **more: Any) -> Raw:
    """A parentRef that is a ListenerSet."""
    return {"group": GROUP, "kind": "ListenerSet", "name": name, **more}


def at(name: str = "edge", **more: Any) -> Raw:
    """A parentRef that is a Gateway."""
    return {"name": name, **more}


def route(name: str = "hr", *parents: Raw, host: str = "", ns: str = "default", **spec: Any) -> HTTPRoute:
    """A route to Service web; `host`: its host name."""
    given = {"hostnames": [host]} if host else {}
    rules = [{"backendRefs": [{"name": "web", "port": 80}]}]
    return httproute(name, ns=ns, **{"parentRefs": list(parents or (at(),)), "rules": rules, **given, **spec})


def passthrough(name: str = "pass", port: int = 443, **more: Any) -> Raw:
    return listener(name, port, "TLS", tls={"mode": "Passthrough"}, **more)


def terminate(name: str = "end", port: int = 443, *, of: str = "cert", **more: Any) -> Raw:
    return listener(name, port, "TLS", tls={"mode": "Terminate", "certificateRefs": [{"name": of}]}, **more)


def tcproute(name: str = "tr", *parents: Raw, ns: str = "default", created: str = "", **spec: Any) -> TCPRoute:
    """A route of connections to Service web."""
    return cast("TCPRoute", _connections("TCPRoute", name, parents, ns=ns, created=created, **spec))


def tlsroute(
    *hosts: str, name: str = "sr", parents: tuple[Raw, ...] = (), ns: str = "default", created: str = "", **spec: Any
) -> TLSRoute:
    """A route of sessions that ask for these names, to Service web; without names of v1alpha2."""
    version = "v1" if hosts else "v1alpha2"
    given = {"hostnames": list(hosts)} if hosts else {}
    made = _connections("TLSRoute", name, parents, ns=ns, created=created, version=version, **given, **spec)
    return cast("TLSRoute", made)


def udproute(name: str = "ur", *parents: Raw, ns: str = "default", created: str = "", **spec: Any) -> UDPRoute:
    """A route of datagrams to port 53 of Service dns (`names()`)."""
    given = {"rules": [{"backendRefs": [{"name": "dns", "port": 53}]}], **spec}
    return cast("UDPRoute", _connections("UDPRoute", name, parents, ns=ns, created=created, **given))


def names(ns: str = "default") -> core.Service:
    """Service dns, with port 53 of UDP and port 80 of TCP."""
    return service("dns", ns=ns, ports=[{"name": "udp", "port": 53, "protocol": "UDP"}, {"name": "tcp", "port": 80}])


def _connections(
    kind: str, name: str, parents: tuple[Raw, ...], *, ns: str, created: str, version: str = "v1", **spec: Any
) -> Object:
    rules = [{"backendRefs": [{"name": "web", "port": 80}]}]
    body = {"parentRefs": list(parents or (at(),)), "rules": rules, **spec}
    meta = {"name": name, "namespace": ns, "generation": 1, **({"creationTimestamp": created} if created else {})}
    return parse({"apiVersion": f"{GROUP}/{version}", "kind": kind, "metadata": meta, "spec": body})


def grant(kind: str, to: str, *, frm: str = "default", ns: str = "other", name: str = "") -> ReferenceGrant:
    spec = {
        "from": [{"group": GROUP, "kind": kind, "namespace": frm}],
        "to": [{"group": "", "kind": to, **({"name": name} if name else {})}],
    }
    raw = {"apiVersion": API, "kind": "ReferenceGrant", "metadata": {"name": "g", "namespace": ns}, "spec": spec}
    return cast("ReferenceGrant", parse(raw))


def tls_secret(name: str = "cert", *, ns: str = "default", **data: bytes | None) -> core.Secret:
    """Of `pem()`; `crt` and `key` in their place, None for none."""
    chain, key = pem()
    parts = {"tls.crt": data.get("crt", chain), "tls.key": data.get("key", key)}
    encoded = {name: base64.b64encode(value).decode() for name, value in parts.items() if value is not None}
    raw = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": ns}, "data": encoded}
    return cast("core.Secret", parse(raw))


def pool(*addresses: str, name: str = "default", automatic: bool = True) -> LoadBalancerPool:
    spec = {"addresses": list(addresses), "automatic": automatic}
    raw = {"apiVersion": "tandem.io/v1", "kind": "LoadBalancerPool", "metadata": {"name": name}, "spec": spec}
    return cast("LoadBalancerPool", parse(raw))


def world(*objects: Object) -> World:
    """With the class, Service web and a pool."""
    return World.of([gateway_class(), service("web", ports=[{"name": "http", "port": 80}]), *objects])


def edge(*objects: Object, options: Options | None = None) -> Edge:
    """What the gateways of `world(*objects)` come to."""
    return translate_gateways(world(*objects), options or Options(), Assignment())


IN_FORCE: Programmed = {("Gateway", "default", "edge"): (True, "")}


def written(*objects: Object, programmed: Programmed = IN_FORCE) -> dict[tuple[str, str], Raw]:
    """What is written, by kind and name."""
    found = world(*objects)
    edge = secure_backends(found, Options(), translate_gateways(found, Options(), Assignment()))
    keys = [(o.kind, *o.key) for cls in WRITTEN.values() for o in found.sorted(cls)]
    told = by_object(edge.problems)
    patches = patches_of(found, keys, told, programmed, 0.0, given=Given(edge=edge))
    return {(p.kind, p.name): p.body["status"] for p in patches}


def codes(found: Edge, kind: str = "Gateway") -> list[tuple[str, str]]:
    """Path and code of what is told of objects of a kind."""
    return [(p.at.path, p.code) for p in found.problems if p.at.kind == kind and p.severity.value == "error"]
