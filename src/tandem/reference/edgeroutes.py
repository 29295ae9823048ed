"""The Gateway API's routing at a listener of a Gateway: which routes are attached, and what becomes of a request.

In: the World, the listener that took it, the request or the name asked for in TLS. Out: a RouteDecision with its steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from tandem.model.gateway import HTTPRoute, ParentReference
from tandem.model.gateways import GROUP
from tandem.model.grpcroute import GRPCRoute
from tandem.model.tcproute import TCPRoute
from tandem.model.tlsroute import TLSRoute
from tandem.model.udproute import UDPRoute
from tandem.model.world import World
from tandem.reference.attached import age, sent
from tandem.reference.grpcroutes import decide_grpcroutes
from tandem.reference.httproutes import decide_httproutes
from tandem.reference.listeners import Found, is_for, means, precision
from tandem.reference.request import Request, RouteDecision, Step
from tandem.reference.support import refused

Requests = HTTPRoute | GRPCRoute
Kind = TypeVar("Kind", HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute)
AnyKind = TypeVar("AnyKind", bound=HTTPRoute | GRPCRoute | TLSRoute | TCPRoute | UDPRoute)
_KINDS = {
    "HTTP": {"HTTPRoute", "GRPCRoute"},
    "HTTPS": {"HTTPRoute", "GRPCRoute"},
    "TCP": {"TCPRoute"},
    "TLS": {"TLSRoute", "TCPRoute"},
    "UDP": {"UDPRoute"},
}


def decide_request(world: World, listener: Found, request: Request) -> RouteDecision:
    """Routes whose host is the more specific go first, GRPCRoutes before HTTPRoutes; what none matches is a 404."""
    steps: list[Step] = []
    found: dict[tuple[int, int], tuple[list[GRPCRoute], list[HTTPRoute]]] = {}
    for rank, grpc in _for_host(world, listener, GRPCRoute, request.authority, steps):
        found.setdefault(rank, ([], []))[0].append(grpc)
    for rank, http in _for_host(world, listener, HTTPRoute, request.authority, steps):
        found.setdefault(rank, ([], []))[1].append(http)
    for rank in sorted(found, reverse=True):
        grpcs, https = found[rank]
        if grpcs and (decision := decide_grpcroutes(world, request, grpcs, steps)).index >= 0:
            return decision
        if https and (decision := decide_httproutes(world, request, https, steps)).index >= 0:
            return decision
    if not found:
        steps.append(Step(text=f"no route of the listener is for {request.authority!r}: answered with 404"))
    return RouteDecision(status=404, steps=tuple(steps))


def decide_connection(world: World, listener: Found, sni: str) -> RouteDecision:
    """The oldest TLSRoute of the most specific name, else the oldest TCPRoute; its first rule has every connection."""
    steps: list[Step] = []
    by_name = [
        (rank, route) for rank, route in _for_host(world, listener, TLSRoute, sni, steps) if listener.listener.tls
    ]
    best = max((rank for rank, _ in by_name), default=None)
    named = sorted((route for rank, route in by_name if rank == best), key=age)
    others = sorted((route for _, route in _for_host(world, listener, TCPRoute, sni, steps)), key=age)
    every: tuple[TLSRoute | TCPRoute, ...] = (*named, *others)
    for route in every[:1]:
        steps.append(Step(text="has the connections", origin=route.origin("spec.rules[0]")))
        return sent(world, route, (0, route.origin("spec.rules[0]")), steps, missing=0)
    steps.append(Step(text="no route is attached to the listener: the connection is closed"))
    return RouteDecision(steps=tuple(steps))


def decide_datagrams(world: World, listener: Found) -> RouteDecision:
    """The first rule of the oldest UDPRoute has all of them."""
    steps: list[Step] = []
    found = sorted((route for _, route in _for_host(world, listener, UDPRoute, "", steps)), key=age)
    for route in found[:1]:
        steps.append(Step(text="has the datagrams", origin=route.origin("spec.rules[0]")))
        return sent(world, route, (0, route.origin("spec.rules[0]")), steps, missing=0)
    steps.append(Step(text="no route is attached to the listener: datagrams are dropped"))
    return RouteDecision(steps=tuple(steps))


def _for_host(
    world: World, listener: Found, kind: type[Kind], host: str, steps: list[Step]
) -> Iterator[tuple[tuple[int, int], Kind]]:
    """The attached routes that are for the host, each with how specific the name is by which it is."""
    for route in world.sorted(kind):
        if not _attached(world, listener, route):
            continue
        names = () if isinstance(route, TCPRoute | UDPRoute) else route.spec.hostnames
        shared = [both for name in names or ("*",) if (both := _shared(listener.host, name)) is not None]
        ranks = [precision(name) for name in shared if is_for(name, host)]
        if not ranks:
            continue
        why = refused(world, route, edge=True) if isinstance(route, HTTPRoute | GRPCRoute) else ""
        if why:
            steps.append(Step(text=f"not applied: {why}", origin=route.origin()))
        else:
            yield max(ranks), _bare(route)


def _attached(world: World, listener: Found, route: Requests | TLSRoute | TCPRoute | UDPRoute) -> bool:
    holder, own = listener.holder, listener.listener
    allowed, home = own.allowed_routes, route.metadata.namespace
    kinds = {kind.kind for kind in allowed.kinds if kind.group == GROUP} or _KINDS[own.protocol]
    passed = own.tls is not None and own.tls.mode == "Passthrough"
    if route.kind not in kinds & _KINDS[own.protocol] or (passed and route.kind != "TLSRoute"):
        return False
    if not means(allowed.namespaces, home, holder.metadata.namespace, world):
        return False
    return any(_names(parent, listener, home) for parent in route.spec.parent_refs)


def _names(parent: ParentReference, listener: Found, home: str) -> bool:
    holder, own = listener.holder, listener.listener
    object_ = (parent.group, parent.kind, parent.namespace or home, parent.name) == (GROUP, holder.kind, *holder.key)
    return object_ and parent.section_name in {"", own.name} and parent.port in {None, own.port}


def _shared(one: str, other: str) -> str | None:
    """What two host names have in common."""
    if is_for(one, other):
        return other
    return one if is_for(other, one) else None


def _bare(route: AnyKind) -> AnyKind:
    """Without parents: at a gateway no parent Service is anybody's way into another namespace."""
    spec = msgspec.structs.replace(route.spec, parent_refs=())
    return msgspec.structs.replace(route, spec=spec)
