"""Builders of Istio's Gateways for tests: `gateway("shop", server())`; all of them go through `model.parse`."""

from __future__ import annotations

import base64
from typing import Any, cast

from builders import service
from gatewayworlds import pool
from pems import pem
from tandem.base.problems import Problem
from tandem.ir.gateway import Gateway, HostRoutes
from tandem.model import core
from tandem.model.istio import VirtualService
from tandem.model.istiogateway import IstioGateway
from tandem.model.meta import Meta, Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.gateway.edge import Edge
from tandem.translate.options import Options
from tandem.translate.world import Translation, translate_world

Raw = dict[str, Any]
API = "networking.istio.io/v1"
ROOT = "istio-system"
KEY = f"{ROOT}/istio~ingressgateway"
SELECTED = {"istio": "ingressgateway"}


def server(*hosts: str, port: int = 80, protocol: str = "HTTP", **more: Any) -> Raw:
    """Of every host, if none is named."""
    name = f"{protocol.lower()}-{port}-{'-'.join(hosts)}"
    return {"port": {"number": port, "name": name, "protocol": protocol}, "hosts": list(hosts or ("*",)), **more}


def https(*hosts: str, port: int = 443, mode: str = "SIMPLE", of: str = "cert", **tls: Any) -> Raw:
    return server(*hosts, port=port, protocol="HTTPS", tls={"mode": mode, "credentialName": of, **tls})


def gateway(
    name: str = "shop",
    *servers: Raw,
    ns: str = "default",
    created: str = "",
    status: Raw | None = None,
    notes: dict[str, str] | None = None,
    selector: dict[str, str] | None = None,
) -> IstioGateway:
    """One of plain HTTP for every host, if no server is given."""
    meta: Raw = {"name": name, "namespace": ns, "generation": 1, "annotations": notes or {}}
    if created:
        meta["creationTimestamp"] = created
    spec = {"selector": SELECTED if selector is None else selector, "servers": list(servers or (server(),))}
    raw: Raw = {"apiVersion": API, "kind": "Gateway", "metadata": meta, "spec": spec}
    if status is not None:
        raw["status"] = status
    return cast("IstioGateway", parse(raw))


def to(host: str = "web", **more: Any) -> Raw:
    """A route of HTTP to a Service."""
    return {"route": [{"destination": {"host": host, "port": {"number": 80}}}], **more}


def vs(
    name: str = "web",
    *http: Raw,
    hosts: tuple[str, ...] = ("shop.test",),
    at: tuple[str, ...] = ("shop",),
    ns: str = "default",
    created: str = "",
    **spec: Any,
) -> VirtualService:
    """To Service web, if no route is given."""
    meta: Raw = {"name": name, "namespace": ns, "generation": 1}
    if created:
        meta["creationTimestamp"] = created
    routes = {"http": list(http or (to(),))} if http or not spec.keys() & {"tcp", "tls"} else {}
    body = {"hosts": list(hosts), "gateways": list(at), **routes, **spec}
    return cast("VirtualService", parse({"apiVersion": API, "kind": "VirtualService", "metadata": meta, "spec": body}))


def secret(name: str = "cert", *, ns: str = ROOT, **data: bytes) -> core.Secret:
    """With these entries, `tls.crt` and `tls.key` if there are none; `_` in names stands for a dot."""
    chain, key = pem()
    given = data or {"tls_crt": chain, "tls_key": key}
    encoded = {field.replace("_", "."): base64.b64encode(value).decode() for field, value in given.items()}
    raw = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": ns}, "data": encoded}
    return cast("core.Secret", parse(raw))


def mesh(text: str) -> core.ConfigMap:
    """Istio's mesh configuration."""
    meta = Meta(name="istio", namespace=ROOT)
    return core.ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data={"mesh": text})


def translated(*objects: Object) -> Translation:
    """Of these, with Services web and other, and a pool."""
    ports = [{"name": "http", "port": 80}]
    always = (service("web", ports=ports), service("other", ports=ports), pool("192.0.2.64/28"))
    return translate_world(World.of([*always, *objects]), Options())


def edge(*objects: Object) -> Edge:
    """What the gateways come to."""
    return translated(*objects).edge


def made(*objects: Object) -> Gateway:
    """The gateway of Istio's Gateways."""
    return edge(*objects).gateways[KEY]


def hosts_at(found: Gateway, port: int = 80) -> dict[str, HostRoutes]:
    """By host, all that a port has."""
    return {host.host: host for p in found.ports if p.port == port for one in p.listeners for host in one.hosts}


def problems(*objects: Object) -> tuple[Problem, ...]:
    """All that is told of Istio's Gateways and of VirtualServices."""
    return tuple(p for p in translated(*objects).problems if p.at.kind in {"IstioGateway", "VirtualService"})


def codes(*objects: Object) -> list[tuple[str, str]]:
    """Path and code of each."""
    return [(p.at.path, p.code) for p in problems(*objects)]
