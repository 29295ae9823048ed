"""Istio's routing of a connection in the mesh that is no request: `tls` and `tcp` of VirtualServices, as documented.

In: the World and the connection (of a Request: client, Service, port, address and the name in TLS). Out: a
RouteDecision; None where no VirtualService has a route of connections for the port.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tandem.model import core
from tandem.model.gateway import HTTPRoute
from tandem.model.grpcroute import GRPCRoute
from tandem.model.istio import L4Match, VirtualService
from tandem.model.world import World
from tandem.reference.attached import anybodys
from tandem.reference.authorization import says_bytes, speaks_http
from tandem.reference.consulchains import is_http
from tandem.reference.ends import is_inside
from tandem.reference.request import Request, RouteDecision, Share, Step
from tandem.reference.support import age, refused
from tandem.reference.virtualservices import carried, exported, names_host


class _Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A name in TLS (empty: any connection) that a route is for."""

    name: str
    source: VirtualService
    kind: str
    index: int


def reads_requests(world: World, request: Request, domain: str) -> bool:
    """Whether the port's bytes are read as requests: it says so, or it says nothing and has routes of requests."""
    service = world.get(core.Service, request.namespace, request.service)
    ports = [p for p in service.spec.ports if p.port == request.port] if service is not None else []
    if any(map(speaks_http, ports)) or any(map(says_bytes, ports)):
        return any(map(speaks_http, ports))
    if anybodys(world, request, HTTPRoute) or anybodys(world, request, GRPCRoute):
        return True
    return is_http(world, request.namespace, request.service, request.port) or any(
        not one.match or any(match.port in {0, request.port} for match in one.match)
        for source in _sources(world, request, domain, [])
        for one in source.spec.http
    )


def decide_bytes(world: World, request: Request, domain: str) -> RouteDecision | None:
    """The most specific name that is asked for, else what is for any; of equal ones the first of the oldest object."""
    steps: list[Step] = []
    claims = {one.name: one for one in reversed(list(_claims(world, request, domain, steps)))}
    if not claims:
        return None
    best = max((one for one in claims.values() if _fits(one.name, request.server_name)), key=_precision, default=None)
    if best is None:
        asked = f"the name {request.server_name!r}" if request.server_name else "what asks for no name"
        steps.append(Step(text=f"no route is for {asked} in TLS: the connection goes to the Service itself"))
        share = Share(namespace=request.namespace, service=request.service, port=request.port)
        return RouteDecision(backends=(share,), steps=tuple(steps))
    routes = best.source.spec.tls if best.kind == "tls" else best.source.spec.tcp
    at = request.port, best.source.origin(f"spec.{best.kind}[{best.index}]")
    decision = carried(world, best.source, routes[best.index], at, domain, caller=request.caller)
    return msgspec.structs.replace(decision, steps=(*steps, *decision.steps))


def _claims(world: World, request: Request, domain: str, steps: list[Step]) -> Iterator[_Claim]:
    """In the order in which they count; what stands after a route for everything has no part in it."""
    for source in _sources(world, request, domain, steps):
        for kind, routes in (("tls", source.spec.tls), ("tcp", source.spec.tcp)):
            for i, route in enumerate(routes):
                origin = source.origin(f"spec.{kind}[{i}]")
                matches = [m for m in route.match or (L4Match(),) if _concerns(world, m, request)]
                if not matches:
                    steps.append(Step(text="is about other ports, sources or addresses", origin=origin))
                for match in matches:
                    names = [name.lower() for name in match.sni_hosts] or [""]
                    if names != [""] and not any(_fits(name, request.server_name) for name in names):
                        steps.append(Step(text=f"is for {', '.join(names)} in TLS", origin=origin))
                    yield from (_Claim(name=name, source=source, kind=kind, index=i) for name in names)
                    if names == [""] and not match.destination_subnets:
                        return


def _sources(world: World, request: Request, domain: str, steps: list[Step]) -> Iterator[VirtualService]:
    """Those that are about the Service for this client, the older first."""
    for source in sorted(world.all(VirtualService).values(), key=age):
        if not names_host(source, request, domain) or not exported(source, request.source_namespace):
            continue
        if why := refused(world, source):
            steps.append(Step(text=f"not applied: {why}", origin=source.origin()))
        elif source.spec.gateways and "mesh" not in source.spec.gateways:
            steps.append(Step(text="is about gateways alone", origin=source.origin()))
        else:
            yield source


def _concerns(world: World, match: L4Match, request: Request) -> bool:
    """All of a match but for names."""
    if match.gateways and "mesh" not in match.gateways:
        return False
    if match.port not in {0, request.port} or match.source_namespace not in {"", request.source_namespace}:
        return False
    if any(request.source_labels.get(name) != value for name, value in match.source_labels.items()):
        return False
    dialled = _dialled(world, request)
    return not match.destination_subnets or any(is_inside(dialled, subnet) for subnet in match.destination_subnets)


def _dialled(world: World, request: Request) -> str:
    service = world.get(core.Service, request.namespace, request.service)
    return request.address or (service.spec.cluster_ip if service is not None else "")


def _fits(name: str, asked: str) -> bool:
    return name in {"", asked} or (name.startswith("*") and asked.endswith(name[1:]))


def _precision(one: _Claim) -> tuple[bool, int]:
    """A name before a wildcard, and a longer wildcard before a shorter one."""
    return bool(one.name) and not one.name.startswith("*"), len(one.name)
