"""PortScope -> RouteConfiguration (RDS): the routes of a table that apply, or the one to the service itself."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, assert_never

import msgspec

from tandem.compile.envoy.action import by_hash, forward, redirect, respond, retry_policy, route_edits
from tandem.compile.envoy.filters import per_route
from tandem.compile.envoy.match import route_match
from tandem.compile.envoy.proto import Json
from tandem.compile.envoy.scope import PortScope
from tandem.ir.mesh import DEFAULT_RETRY, Forward, Redirect, Respond, Route, RouteMatch
from tandem.state.xds import Resource

METADATA: Final = "tandem.io"


@lru_cache(maxsize=4096)
def compile_route_config(scope: PortScope) -> Resource:
    """One virtual host for every authority: the address dialled has already decided the service.

    A table of which nothing applies to this port and these clients leaves the service as it is; where something
    applies and no match holds, the answer is 404.
    """
    routes: list[Json] = []
    used: list[Route] = []
    for route in scope.table.routes if scope.table else ():
        matches = [match for match in route.matches or (RouteMatch(),) if scope.applies(match)]
        if matches:
            used.append(route)
            routes.extend(_route(route, match, scope) for match in matches)
    if not used:
        routes = [_default(scope)]
    host = f"{scope.service.namespace}/{scope.service.name}:{scope.port.port}"
    body = {
        "name": scope.route_config,
        "virtual_hosts": [{"name": host, "domains": ["*"], "routes": routes}],
        "validate_clusters": False,
    }
    return Resource(name=scope.route_config, body=body, origins=frozenset(route.origin for route in used))


def _default(scope: PortScope) -> Json:
    chosen = by_hash(scope, (scope.cluster,)) if scope.hashes or scope.service.affinity_seconds else {}
    return {
        "name": "default",
        "match": {"prefix": "/"},
        "route": {"cluster": scope.own_cluster, "timeout": "0s", **chosen, **retry_policy(DEFAULT_RETRY)},
    }


def _route(route: Route, match: RouteMatch, scope: PortScope) -> Json:
    config = per_route(route)
    return {
        "name": route.name,
        "match": route_match(match),
        "metadata": {"filter_metadata": {METADATA: {"origin": msgspec.to_builtins(route.origin)}}},
        **route_edits(route),
        **({"typed_per_filter_config": config} if config else {}),
        **_action(route, match, scope),
    }


def _action(route: Route, match: RouteMatch, scope: PortScope) -> Json:
    match route.action:
        case Respond(status=status, body=text):
            return {"direct_response": respond(status, text)}
        case Redirect() as action:
            return {"redirect": redirect(action, match, scope.port.port)}
        case Forward() as action:
            return forward(route, action, match, scope)
        case _:
            assert_never(route.action)
