"""The Gateway API's routing of one request by GRPCRoutes: gRPC requests alone, by service, method and headers."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from tandem.model.grpcroute import GRPCRoute, GrpcRouteMatch
from tandem.model.world import World
from tandem.reference.attached import age, headers_hold, sent
from tandem.reference.request import Request, RouteDecision, Step

_CALLS = {"application/grpc"} | {
    f"application/grpc-web{text}{proto}" for text in ("", "-text") for proto in ("", "+proto")
}
_Precedence = tuple[tuple[int, ...], tuple[str, str], int, int]


def decide_grpcroutes(world: World, request: Request, routes: list[GRPCRoute], steps: list[Step]) -> RouteDecision:
    """The decision of the GRPCRoutes that are about the request's port."""
    found: list[tuple[_Precedence, GRPCRoute]] = []
    for route in routes:
        for i, rule in enumerate(route.spec.rules):
            for j, match in enumerate(rule.matches or (GrpcRouteMatch(),)):
                holds = _is_grpc(request) and _holds(match, request)
                origin = route.origin(f"spec.rules[{i}].matches[{j}]")
                steps.append(Step(text="matches" if holds else "does not match", origin=origin))
                if holds:
                    found.append(((_rank(match), age(route), i, j), route))
    if not found:
        oldest = min(routes, key=age).origin()
        text = "answered with UNIMPLEMENTED" if _is_grpc(request) else "not a gRPC request: answered with 404"
        steps.append(Step(text=f"no rule matches: {text}", origin=oldest))
        return RouteDecision(rule=oldest, status=404, steps=tuple(steps))
    (_, _, i, j), route = min(found, key=lambda f: f[0])
    if len(found) > 1:
        steps.append(Step(text="is the most specific", origin=route.origin(f"spec.rules[{i}].matches[{j}]")))
    return sent(world, route, (i, route.origin(f"spec.rules[{i}]")), steps, missing=503)


def _is_grpc(request: Request) -> bool:
    """By its content type; gRPC-Web (grpc/doc/PROTOCOL-WEB.md) is gRPC that the proxy has yet to unpack."""
    kind = request.headers.get("content-type", "")
    return kind in _CALLS or kind.startswith("application/grpc+")


def _rank(match: GrpcRouteMatch) -> tuple[int, ...]:
    """Most characters of the service, then of the method that matched, exact before regular; then most headers."""
    parts = (match.method.service, match.method.method) if match.method else ("", "")
    exact = match.method is None or match.method.type == "Exact"
    headers = len({h.name.lower() for h in match.headers})
    return (*((0 if exact else 1) if part else 2 for part in parts), -headers)


def _holds(match: GrpcRouteMatch, request: Request) -> bool:
    if not headers_hold(match.headers, request):
        return False
    if match.method is None or not (match.method.service or match.method.method):
        return True
    empty, _, rest = urlsplit(request.path).path.partition("/")
    service, slash, method = rest.partition("/")
    if empty or not slash or "/" in method:
        return False
    for wanted, value in ((match.method.service, service), (match.method.method, method)):
        if wanted and not (value == wanted if match.method.type == "Exact" else re.fullmatch(wanted, value)):
            return False
    return True
