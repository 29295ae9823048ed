"""The Gateway API's routing of one request by HTTPRoutes: precedence of matches."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from tandem.model.gateway import HTTPRoute, HttpRouteMatch
from tandem.model.linkerd import LinkerdHTTPRoute
from tandem.model.world import World
from tandem.reference.attached import age, headers_hold, sent, unusable, value_holds
from tandem.reference.request import Request, RouteDecision, Share, Step
from tandem.reference.support import seconds_ms

_Precedence = tuple[tuple[int, ...], tuple[str, str], int, int]
_Found = tuple[_Precedence, HTTPRoute, int, int]


def decide_httproutes(world: World, request: Request, routes: list[HTTPRoute], steps: list[Step]) -> RouteDecision:
    """The decision of the HTTPRoutes that are about the request's port."""
    found: list[_Found] = []
    for route in routes:
        for i, rule in enumerate(route.spec.rules):
            for j, match in enumerate(rule.matches or (HttpRouteMatch(),)):
                origin = route.origin(f"spec.rules[{i}].matches[{j}]")
                if _holds(match, request):
                    steps.append(Step(text="matches", origin=origin))
                    found.append(((_rank(match), age(route), i, j), route, i, j))
                else:
                    steps.append(Step(text="does not match", origin=origin))
    if not found:
        oldest = min(routes, key=age).origin()
        steps.append(Step(text="no rule matches: answered with 404", origin=oldest))
        return RouteDecision(rule=oldest, status=404, steps=tuple(steps))
    _, route, i, j = min(found, key=lambda f: f[0])
    if len(found) > 1:
        steps.append(Step(text="is the most specific", origin=route.origin(f"spec.rules[{i}].matches[{j}]")))
    return _act(world, route, i, (request, steps))


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
    if not headers_hold(match.headers, request):
        return False
    query = dict(reversed(parse_qsl(url.query, keep_blank_values=True)))
    params: dict[str, tuple[str, str]] = {}
    for param in match.query_params:
        params.setdefault(param.name, (param.type, param.value))
    return all(value_holds(t, v, query.get(n)) for n, (t, v) in params.items())


def _act(world: World, route: HTTPRoute, index: int, found: tuple[Request, list[Step]]) -> RouteDecision:
    rule, (request, steps) = route.spec.rules[index], found
    origin = route.origin(f"spec.rules[{index}]")
    asked = next((f.external_auth for f in rule.filters if f.external_auth is not None), None)
    if asked is not None:
        why = unusable(world, route, asked.backend_ref)
        name = f"{asked.backend_ref.namespace or route.metadata.namespace}/{asked.backend_ref.name}"
        text = f"{why}: answered with 500" if why else f"asks Service {name} first, and is refused unless it says yes"
        steps.append(Step(text=text, origin=origin))
        if why:
            return RouteDecision(rule=origin, index=index, status=500, steps=tuple(steps))
    redirect = next((f.request_redirect for f in rule.filters if f.request_redirect is not None), None)
    if redirect is not None:
        return RouteDecision(rule=origin, index=index, status=redirect.status_code, steps=tuple(steps))
    timeout = seconds_ms(rule.timeouts.request)
    if not rule.backend_refs and isinstance(route, LinkerdHTTPRoute):
        itself = Share(namespace=request.namespace, service=request.service, port=request.port)
        return RouteDecision(rule=origin, index=index, backends=(itself,), timeout_ms=timeout, steps=tuple(steps))
    return sent(world, route, (index, origin), steps, missing=500, timeout_ms=timeout)
