"""Which Gateway API routes are about a Service's port, for whom, and where a rule of theirs sends a request."""

from __future__ import annotations

import re
from typing import TypeVar

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.gateway import BackendObject, BackendRef, HeaderMatch, HTTPRoute, ParentReference
from tandem.model.gateways import GROUP, ReferenceGrant
from tandem.model.grpcroute import GRPCRoute
from tandem.model.linkerd import GROUP as LINKERD
from tandem.model.linkerd import LinkerdHTTPRoute
from tandem.model.tcproute import TCPRoute, WeightedRef
from tandem.model.tlsroute import TLSRoute
from tandem.model.udproute import UDPRoute
from tandem.model.world import World
from tandem.reference.request import Request, RouteDecision, Share, Step
from tandem.reference.support import refused

AnyRoute = HTTPRoute | GRPCRoute
Sending = AnyRoute | TLSRoute | TCPRoute | UDPRoute
"""What has rules with backends."""
Kind = TypeVar("Kind", bound=Sending)
CLOSED = -1
"""In place of the status of an answer: a connection is closed."""


def attached(world: World, request: Request, kind: type[Kind], steps: list[Step], *, consumer: bool) -> list[Kind]:
    """The routes at the request's port: of the client's own namespace, or of the Service's (GEP-1426)."""
    found: list[Kind] = []
    for route in _of_kind(world, kind):
        home = route.metadata.namespace
        wanted = home == request.source_namespace if consumer else True
        if not wanted or (home == request.namespace) == consumer:
            continue
        if not any(request.port in _ports(world, route, p, request) for p in route.spec.parent_refs):
            continue
        why = refused(world, route)
        if why:
            steps.append(Step(text=f"not applied: {why}", origin=route.origin()))
        else:
            found.append(route)
    return found


def produced(world: World, request: Request, kind: type[Kind]) -> bool:
    """Whether routes of the Service's own namespace are attached to it, at whatever port."""
    return any(
        route.metadata.namespace == request.namespace
        and any(_ports(world, route, p, request) for p in route.spec.parent_refs)
        and not refused(world, route)
        for route in _of_kind(world, kind)
    )


def anybodys(world: World, request: Request, kind: type[Kind]) -> bool:
    """Whether some route of a kind is at the request's port, whoever's clients it is for."""
    return any(
        any(request.port in _ports(world, route, p, request) for p in route.spec.parent_refs)
        and not refused(world, route)
        for route in _of_kind(world, kind)
    )


def _of_kind(world: World, kind: type[Kind]) -> list[Kind]:
    """HTTPRoutes are those of Linkerd's API as well."""
    others = world.sorted(LinkerdHTTPRoute) if kind is HTTPRoute else ()
    return [*world.sorted(kind), *(route for route in others if isinstance(route, kind))]


def age(route: Sending) -> tuple[str, str]:
    """Older routes go first, then those whose name is first."""
    return route.metadata.creation_timestamp or "", "/".join(route.key)


def headers_hold(matches: tuple[HeaderMatch, ...], request: Request) -> bool:
    """All headers have their values; of equal names the first counts."""
    first: dict[str, tuple[str, str]] = {}
    for header in matches:
        first.setdefault(header.name.lower(), (header.type, header.value))
    return all(value_holds(t, v, request.headers.get(n)) for n, (t, v) in first.items())


def value_holds(kind: str, wanted: str, value: str | None) -> bool:
    """Exact or RegularExpression."""
    if value is None:
        return False
    return value == wanted if kind == "Exact" else re.fullmatch(wanted, value) is not None


def sent(
    world: World, route: Sending, at: tuple[int, Origin], steps: list[Step], *, missing: int, timeout_ms: int = 0
) -> RouteDecision:
    """To the backends of a rule by weight; `missing` is the answer of those that do not exist."""
    index, origin = at
    shares = []
    refs: tuple[BackendRef | WeightedRef, ...] = route.spec.rules[index].backend_refs
    for j, ref in enumerate(refs):
        wrong = unusable(world, route, ref)
        if wrong:
            where = route.origin(f"spec.rules[{index}].backendRefs[{j}]")
            lost = "dropped" if isinstance(route, UDPRoute) else "closed"
            effect = f"answered with {missing}" if missing else f"its share is {lost}"
            steps.append(Step(text=f"{wrong}: {effect}", origin=where))
        redirect = _redirected(ref)
        if ref.weight > 0:
            shares.append(
                Share(
                    namespace=ref.namespace or route.metadata.namespace,
                    service=ref.name,
                    port=ref.port or 0,
                    weight=ref.weight,
                    status=redirect or ((missing or CLOSED) if wrong else 0),
                )
            )
    if not shares or all(s.status for s in shares):
        answer = min((share.status for share in shares if share.status > 0), default=missing)
        return RouteDecision(rule=origin, index=index, status=answer, steps=tuple(steps))
    return RouteDecision(rule=origin, index=index, backends=tuple(shares), timeout_ms=timeout_ms, steps=tuple(steps))


def _redirected(ref: BackendRef | WeightedRef) -> int:
    """The status of a redirect in the place of a backend; 0: there is none."""
    filters = ref.filters if isinstance(ref, BackendRef) else ()
    return next((f.request_redirect.status_code for f in filters if f.request_redirect is not None), 0)


def _ports(world: World, route: Sending, parent: ParentReference, request: Request) -> set[int]:
    """The ports of the request's Service that a parent reference means."""
    service = world.get(core.Service, request.namespace, request.service)
    named = (parent.namespace or route.metadata.namespace, parent.name)
    meant = parent.kind == "Service" and parent.group in {"", "core"} and named == (request.namespace, request.service)
    if service is None or not meant:
        return set()
    return {p.port for p in service.spec.ports if parent.port in (None, p.port) and parent.section_name in {"", p.name}}


def _granted(world: World, route: Sending, namespace: str, name: str) -> bool:
    """A ReferenceGrant beside the Service names the route's kind and namespace, and the Service or all (GEP-709)."""
    for grant in world.sorted(ReferenceGrant):
        known = {(f.group, f.kind, f.namespace) for f in grant.spec.from_}
        services = {t.name for t in grant.spec.to if t.kind == "Service" and not t.group}
        beside = grant.metadata.namespace == namespace
        api, what = (LINKERD, "HTTPRoute") if isinstance(route, LinkerdHTTPRoute) else (GROUP, route.kind)
        if beside and (api, what, route.metadata.namespace) in known and services & {"", name}:
            return True
    return False


def unusable(world: World, route: Sending, ref: BackendObject | WeightedRef) -> str:
    """Why nothing goes where a reference of the route leads; empty if it does."""
    home = route.metadata.namespace
    namespace = ref.namespace or home
    services = (p for p in route.spec.parent_refs if p.kind == "Service" and p.group in {"", "core"})
    parents = {(p.namespace or home, p.name) for p in services}
    if ref.kind != "Service" or ref.group:
        return f"backends of kind {ref.kind} are not supported"
    if namespace != home and (namespace, ref.name) not in parents and not _granted(world, route, namespace, ref.name):
        return f"Service {namespace}/{ref.name} is in another namespace and nothing grants the reference"
    service = world.get(core.Service, namespace, ref.name)
    ports = service.spec.ports if service is not None else ()
    if ref.port not in {p.port for p in ports if p.protocol == "UDP" or not isinstance(route, UDPRoute)}:
        return f"no Service {namespace}/{ref.name} with port {ref.port}"
    return ""
