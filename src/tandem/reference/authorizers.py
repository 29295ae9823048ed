"""Istio's mesh configuration as its documents say -> can a provider be asked, and over what; whom gateways trust."""

from __future__ import annotations

from typing import Any

import yaml

from tandem.model import core
from tandem.model.egress import ServiceEntry
from tandem.model.world import World
from tandem.reference.support import ROOT


def authorizer(world: World, name: str) -> str:
    """`grpc` or `http`; empty where there is no such provider, or its Service has no such port."""
    providers = _mesh(world).get("extensionProviders") or []
    found = [p for p in providers if isinstance(p, dict) and p.get("name") == name]
    if len(found) != 1:
        return ""
    for kind, field in (("grpc", "envoyExtAuthzGrpc"), ("http", "envoyExtAuthzHttp")):
        spec = found[0].get(field)
        if spec and _is_there(world, str(spec.get("service", "")), spec.get("port")):
            return kind
    return ""


def trusted_proxies(world: World) -> int:
    """How many proxies before gateways are believed who the client is."""
    topology = (_mesh(world).get("defaultConfig") or {}).get("gatewayTopology") or {}
    number = topology.get("numTrustedProxies", 0)
    return number if type(number) is int and 0 <= number < 256 else 0


def own_domains(world: World, trust_domain: str) -> tuple[str, ...]:
    """What the mesh's own trust domain is called: its name, and the aliases that the mesh configuration lists."""
    return trust_domain, *(_mesh(world).get("trustDomainAliases") or [])


def _mesh(world: World) -> dict[str, Any]:
    config = world.get(core.ConfigMap, ROOT, "istio")
    mesh: Any = yaml.safe_load(config.data.get("mesh", "")) if config is not None else None
    return mesh if isinstance(mesh, dict) else {}


def _is_there(world: World, host: str, port: object) -> bool:
    home, _, text = host.rpartition("/")
    name, _, rest = text.partition(".")
    namespace = rest.partition(".svc.")[0] if rest else home or ROOT
    service = world.get(core.Service, namespace, name)
    if service is not None or not rest or ".svc." in rest:
        return service is not None and any(p.port == port for p in service.spec.ports)
    entries = [e for e in world.sorted(ServiceEntry) if home in {"", e.metadata.namespace} and text in e.spec.hosts]
    outside = (e for e in entries if e.spec.resolution not in {"", "NONE", "DYNAMIC_DNS"})
    return any(p.number == port for e in outside for p in e.spec.ports)
