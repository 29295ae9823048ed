"""VirtualServices that are at none of the servers of a Gateway that they name, or lead nowhere -> why. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from tandem.base.problems import Problem, Severity
from tandem.ir.gateway import Gateway, connections_of, routes_of
from tandem.ir.mesh import sent_to
from tandem.model.istio import VirtualService
from tandem.model.istiogateway import IstioGateway
from tandem.model.world import Key
from tandem.translate.hostnames import common
from tandem.translate.ingress.bindings import Bound, named
from tandem.translate.ingress.workload import has_labels
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.istio.delegates import MESH, for_mesh, seen
from tandem.translate.mesh.istio.egressgateways import hosts_of, is_egress

Met = AbstractSet[tuple[Key, Key]]
"""VirtualService and Gateway."""
_PATHS: Final = {"NotExported": "spec.exportTo", "NoMatchingHost": "spec.hosts"}
"""Codes of what is not wrong where the Gateway is named."""


def unmet(bound: Bound, context: Context, met: Met) -> Iterator[Problem]:
    """One for each Gateway; an error only where the VirtualService is applied nowhere."""
    source = bound.source
    keys = [named(text, source) for text in source.spec.gateways if text != MESH]
    met_somewhere = any(name == source.key for name, _ in met) or any(_is_at_egress(bound, k, context) for k in keys)
    nowhere = not for_mesh(source) and not met_somewhere
    severity = Severity.ERROR if nowhere else Severity.WARNING
    for i, text in enumerate(source.spec.gateways):
        key = named(text, source)
        if text != MESH and (source.key, key) not in met and not _is_at_egress(bound, key, context):
            code, why = _why(source, key, context)
            at = source.origin(_PATHS.get(code, f"spec.gateways[{i}]"))
            yield Problem(at=at, code=code, text=why, severity=severity)


def unreached(gateway: Gateway, context: Context) -> Iterator[Problem]:
    """One for each route to a host that is known by no more than what a client says: whoever calls would choose it."""
    routes = [(route.origin, backend) for route in routes_of(gateway) for backend in sent_to(route)]
    routes += [(route.origin, backend) for route in connections_of(gateway) for backend in route.backends]
    for origin, backend in dict.fromkeys(routes):
        key = backend.namespace, backend.service
        if context.passes(key):
            resolution = context.entries.hosts[key].spec.resolution
            text = f"{key[1]} has the resolution {resolution}: whoever calls a gateway would say what the node dials"
            yield Problem(at=origin, code="UnsupportedValue", text=f"{text}, so nothing is sent there")


def _is_at_egress(bound: Bound, key: Key, context: Context) -> bool:
    """Whether the Gateway is of the egress gateway, and has a host in common with it."""
    gateway = context.world.get(IstioGateway, *key)
    if gateway is None or not is_egress(gateway) or not seen(bound.source, context.options.root_namespace):
        return False
    own = (host for server in gateway.spec.servers for host in hosts_of(server, gateway, bound.source))
    return any(common(a, b) is not None for a in own for b in bound.hosts)


def _why(source: VirtualService, key: Key, context: Context) -> tuple[str, str]:
    """Code and text."""
    where, root = f"Gateway {key[0]}/{key[1]}", context.options.root_namespace
    gateway = context.world.get(IstioGateway, *key)
    if gateway is None:
        return "GatewayNotFound", f"there is no {where} of networking.istio.io"
    if is_egress(gateway):
        hosts = ", ".join(host for server in gateway.spec.servers for host in server.hosts)
        return "NoMatchingHost", f"none of them is a host of a server of {where} ({hosts})"
    if not has_labels(gateway.spec.selector):
        return "NotSelected", f"{where} selects something else than the gateway of this cluster"
    if not seen(source, root):
        return "NotExported", f"it is not exported to {root}, where the gateway of {where} is"
    hosts = ", ".join(dict.fromkeys(host for server in gateway.spec.servers for host in server.hosts))
    return "NoMatchingHost", f"none of them is a host of a server of {where} ({hosts}) that is served"
