"""The Gateway API's routing of one request to a Service: consumer routes, producer routes, precedence of matches."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from tandem.model import core
from tandem.model.gateway import BackendRef, HTTPRoute, HttpRouteMatch, ParentReference
from tandem.model.world import World
from tandem.reference.request import Request, RouteDecision, Share, Step
from tandem.reference.support import refused, seconds_ms

_Precedence = tuple[tuple[int, ...], str, str, int, int]
_Found = tuple[_Precedence, HTTPRoute, int, int]


def decide_httproutes(world: World, request: Request) -> RouteDecision | None:
    """The decision of the HTTPRoutes attached to the Service's port; None if there are none.

    A consumer's own routes come first, and leave nothing to the producer's (GEP-1426).
    """
    steps: list[Step] = []
    for consumer in (True, False):
        attached = _attached(world, request, steps, consumer=consumer)
        if attached:
            return _best(world, request, attached, steps)
    if any(_producer(world, r, request) and not refused(world, r) for r in world.sorted(HTTPRoute)):
        # HTTPRoutes decide for the whole Service: VirtualServices are not asked for its other ports.
        share = Share(namespace=request.namespace, service=request.service, port=request.port)
        steps.append(Step(text=f"no HTTPRoute is about port {request.port}: the request goes to the Service itself"))
        return RouteDecision(backends=(share,), steps=tuple(steps))
    return None


def _attached(world: World, request: Request, steps: list[Step], *, consumer: bool) -> list[HTTPRoute]:
    found = []
    for route in world.sorted(HTTPRoute):
        home = route.metadata.namespace
        wanted = home == request.source_namespace if consumer else True
        if not wanted or (home == request.namespace) == consumer:
            continue
        if not any(_is(world, route, p, request) for p in route.spec.parent_refs):
            continue
        why = refused(world, route)
        if why:
            steps.append(Step(text=f"not applied: {why}", origin=route.origin()))
        else:
            found.append(route)
    return found


def _producer(world: World, route: HTTPRoute, request: Request) -> bool:
    """A route of the Service's own namespace that is attached to it, at whatever port."""
    return route.metadata.namespace == request.namespace and any(
        _ports(world, route, p, request) for p in route.spec.parent_refs
    )


def _is(world: World, route: HTTPRoute, parent: ParentReference, request: Request) -> bool:
    """True if the parent is the Service, at the request's port."""
    return request.port in _ports(world, route, parent, request)


def _ports(world: World, route: HTTPRoute, parent: ParentReference, request: Request) -> set[int]:
    """The ports of the request's Service that a parent reference means."""
    service = world.get(core.Service, request.namespace, request.service)
    named = (parent.namespace or route.metadata.namespace, parent.name)
    if service is None or parent.kind != "Service" or parent.group or named != (request.namespace, request.service):
        return set()
    return {p.port for p in service.spec.ports if parent.port in (None, p.port) and parent.section_name in {"", p.name}}


def _best(world: World, request: Request, routes: list[HTTPRoute], steps: list[Step]) -> RouteDecision:
    found: list[_Found] = []
    for route in routes:
        for i, rule in enumerate(route.spec.rules):
            for j, match in enumerate(rule.matches or (HttpRouteMatch(),)):
                origin = route.origin(f"spec.rules[{i}].matches[{j}]")
                if _holds(match, request):
                    steps.append(Step(text="matches", origin=origin))
                    since, name = route.metadata.creation_timestamp or "", "/".join(route.key)
                    found.append(((_rank(match), since, name, i, j), route, i, j))
                else:
                    steps.append(Step(text="does not match", origin=origin))
    if not found:
        oldest = min(routes, key=lambda r: (r.metadata.creation_timestamp or "", "/".join(r.key))).origin()
        steps.append(Step(text="no rule matches: answered with 404", origin=oldest))
        return RouteDecision(rule=oldest, status=404, steps=tuple(steps))
    _, route, i, j = min(found, key=lambda f: f[0])
    if len(found) > 1:
        steps.append(Step(text="is the most specific", origin=route.origin(f"spec.rules[{i}].matches[{j}]")))
    return _act(world, route, i, steps)


def _rank(match: HttpRouteMatch) -> tuple[int, ...]:
    """Exact path, regular expression, longest prefix; then method, number of headers, number of query parameters."""
    value = match.path.value
    length = len(value.rstrip("/") or "/") if match.path.type == "PathPrefix" else len(value)
    headers = len({h.name.lower() for h in match.headers})
    query = len({q.name for q in match.query_params})
    kind = {"Exact": 0, "RegularExpression": 1, "PathPrefix": 2}[match.path.type]
    return kind, -length, 0 if match.method else 1, -headers, -query


def _holds(match: HttpRouteMatch, request: Request) -> bool:
    url = urlsplit(request.path)
    wanted = match.path.value
    match match.path.type:
        case "Exact":
            path = url.path == wanted
        case "RegularExpression":
            path = re.fullmatch(wanted, url.path) is not None
        case _:
            prefix = wanted.rstrip("/")
            path = url.path == prefix or url.path.startswith(f"{prefix}/")
    if not path or (match.method and match.method != request.method):
        return False
    first: dict[str, tuple[str, str]] = {}
    for header in match.headers:
        first.setdefault(header.name.lower(), (header.type, header.value))
    if not all(_value(t, v, request.headers.get(n)) for n, (t, v) in first.items()):
        return False
    query = dict(reversed(parse_qsl(url.query, keep_blank_values=True)))
    params: dict[str, tuple[str, str]] = {}
    for param in match.query_params:
        params.setdefault(param.name, (param.type, param.value))
    return all(_value(t, v, query.get(n)) for n, (t, v) in params.items())


def _value(kind: str, wanted: str, value: str | None) -> bool:
    if value is None:
        return False
    return value == wanted if kind == "Exact" else re.fullmatch(wanted, value) is not None


def _act(world: World, route: HTTPRoute, index: int, steps: list[Step]) -> RouteDecision:
    rule = route.spec.rules[index]
    origin = route.origin(f"spec.rules[{index}]")
    redirect = next((f.request_redirect for f in rule.filters if f.request_redirect is not None), None)
    if redirect is not None:
        return RouteDecision(rule=origin, index=index, status=redirect.status_code, steps=tuple(steps))
    shares = []
    for j, ref in enumerate(rule.backend_refs):
        wrong = _wrong(world, route, ref)
        if wrong:
            steps.append(
                Step(text=f"{wrong}: answered with 500", origin=route.origin(f"spec.rules[{index}].backendRefs[{j}]"))
            )
        if ref.weight > 0:
            shares.append(
                Share(
                    namespace=ref.namespace or route.metadata.namespace,
                    service=ref.name,
                    port=ref.port or 0,
                    weight=ref.weight,
                    status=500 if wrong else 0,
                )
            )
    if not shares or all(s.status for s in shares):
        return RouteDecision(rule=origin, index=index, status=500, steps=tuple(steps))
    timeout = seconds_ms(rule.timeouts.request)
    return RouteDecision(rule=origin, index=index, backends=tuple(shares), timeout_ms=timeout, steps=tuple(steps))


def _wrong(world: World, route: HTTPRoute, ref: BackendRef) -> str:
    home = route.metadata.namespace
    namespace = ref.namespace or home
    parents = {(p.namespace or home, p.name) for p in route.spec.parent_refs if p.kind == "Service" and not p.group}
    if ref.kind != "Service" or ref.group:
        return f"backends of kind {ref.kind} are not supported"
    if namespace != home and (namespace, ref.name) not in parents:
        return f"Service {namespace}/{ref.name} is in another namespace and nothing grants the reference"
    service = world.get(core.Service, namespace, ref.name)
    if service is None or ref.port not in {p.port for p in service.spec.ports}:
        return f"no Service {namespace}/{ref.name} with port {ref.port}"
    return ""
