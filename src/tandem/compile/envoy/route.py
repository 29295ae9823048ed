"""PortScopes -> RouteConfiguration (RDS): the routes of a table that apply, or the one to the service itself."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, assert_never

import msgspec

from tandem.base.ids import PodUid
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.envoy.action import by_hash, cluster_of, forward, redirect, respond, retry_policy, route_edits
from tandem.compile.envoy.dynamic import elsewhere
from tandem.compile.envoy.failed import UNTOLD
from tandem.compile.envoy.filters import asking, grpcweb, limits, per_route
from tandem.compile.envoy.match import route_match
from tandem.compile.envoy.proto import Json
from tandem.compile.envoy.scope import PortScope
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import DEFAULT_RETRY, Forward, Redirect, Respond, Route, RouteMatch
from tandem.state.xds import ROUTE_METADATA, Resource

COUNTED: Final[Json] = {"include_request_attempt_count": True}
"""Servers are told the how manieth try a request is, in `x-envoy-attempt-count` (Istio: proxyHeaders.attemptCount)."""
REFUSING: Final = 502
"""As Istio answers requests for hosts that are not registered."""


class Hosted(msgspec.Struct, frozen=True, kw_only=True):
    """A port where only the authority of a request tells the host: at some addresses, or wherever it is dialled."""

    port: int
    addresses: tuple[str, ...] = ()
    closed: bool = False
    """Requests for other hosts are refused."""
    scopes: tuple[PortScope, ...]

    @property
    def dynamic(self) -> bool:
        """Some host is resolved when it is asked for."""
        return any(s.service.external is not None and s.service.external.dynamic for s in self.scopes)

    @property
    def route_config(self) -> str:
        """RDS name: pods that see the same hosts in the same way share it."""
        own = ("closed",) if self.closed else ()
        return names.hosted_routes(self.port, (*own, *self.addresses, *(s.route_config for s in self.scopes)))


@lru_cache(maxsize=1024)
def compile_hosted(hosted: Hosted) -> Resource:
    """A virtual host for each name. Other requests are the first host's where the addresses are; else they go on."""
    made = [_virtual_host(scope, scope.service.name) for scope in hosted.scopes]
    client = next((scope.client for scope in hosted.scopes if scope.client is not None), None)
    fields, counted = counting((route for _, used in made for route in used), client)
    on: Json = {"name": "other", "match": {"prefix": "/"}, "route": {"cluster": names.PASSTHROUGH, "timeout": "0s"}}
    if hosted.closed:
        on = {"name": names.OUTSIDE, "match": {"prefix": "/"}, "direct_response": respond(REFUSING)}
    for (host, _), scope in zip(made, hosted.scopes, strict=True):
        if scope.service.external is not None and scope.service.external.dynamic:
            host["routes"].insert(0, {**on, "match": elsewhere(hosted.port)})
    rest = made[0][0]["routes"] if hosted.addresses else [on]
    body = {
        "name": hosted.route_config,
        "virtual_hosts": [*(host for host, _ in made), {"name": "other", "domains": ["*"], "routes": rest}],
        "ignore_port_in_host_matching": True,
        "validate_clusters": False,
        **UNTOLD,
        **fields,
    }
    origins = frozenset(route.origin for _, used in made for route in used)
    return Resource(name=hosted.route_config, body=body, origins=origins | counted)


@lru_cache(maxsize=4096)
def compile_route_config(scope: PortScope) -> Resource:
    """One virtual host for every authority: the address dialled has already decided the service."""
    host, used = _virtual_host(scope, "*")
    fields, counted = counting(used, scope.client)
    body = {"name": scope.route_config, "virtual_hosts": [host], "validate_clusters": False, **UNTOLD, **fields}
    return Resource(name=scope.route_config, body=body, origins=counted.union(route.origin for route in used))


def _virtual_host(scope: PortScope, domain: str) -> tuple[Json, tuple[Route, ...]]:
    """What becomes of requests to a port, and by which routes.

    A table of which nothing applies to this port and these clients leaves the service as it is; where something
    applies and no match holds, the answer is 404.
    """
    routes: list[Json] = []
    used: list[Route] = []
    for route in scope.table.routes if scope.table else ():
        matches = [match for match in route.matches or (RouteMatch(),) if scope.applies(match)]
        if matches:
            used.append(route)
            routes.extend(compile_route(route, match, scope) for match in matches)
    if not used:
        routes = [_default(scope)]
    name = f"{scope.service.namespace}/{scope.service.name}:{scope.port.port}"
    return {"name": name, "domains": [domain], "routes": routes, **COUNTED}, tuple(used)


def _default(scope: PortScope) -> Json:
    chosen = by_hash(scope, (scope.cluster,)) if scope.hashes or scope.service.affinity_seconds else {}
    config = _of_port(scope)
    return {
        "name": "default",
        "match": {"prefix": "/"},
        "route": {"cluster": scope.own_cluster, "timeout": "0s", **chosen, **retry_policy(DEFAULT_RETRY)},
        **({"typed_per_filter_config": config} if config else {}),
    }


def _of_port(scope: PortScope) -> dict[str, Json]:
    """What every route at a port asks of filters: one of gRPC understands gRPC-Web."""
    return {grpcweb.NAME: grpcweb.ON} if scope.port.app is AppProtocol.GRPC else {}


def compile_route(route: Route, match: RouteMatch, scope: PortScope) -> Json:
    """One entry of a virtual host: one match of a route, and what it does."""
    config = {**_of_port(scope), **per_route(route), **_asking(route, scope)}
    return {
        "name": route.name,
        "match": route_match(match),
        "metadata": {"filter_metadata": {ROUTE_METADATA: _metadata(route)}},
        **route_edits(route),
        **({"typed_per_filter_config": config} if config else {}),
        **_action(route, match, scope),
    }


def _asking(route: Route, scope: PortScope) -> dict[str, Json]:
    if route.check is None:
        return {}
    return {asking.NAME: asking.of(route.check, cluster_of(route.check.backend, scope))}


def _metadata(route: Route) -> Json:
    return {"origin": msgspec.to_builtins(route.origin), **limits.names_of(route.limits)}


def counting(routes: Iterable[Route], client: PodUid | None) -> tuple[Json, frozenset[Origin]]:
    """What a route configuration says of the limits of its routes; where those come from, and what judges them."""
    used = tuple(routes)
    found = tuple(dict.fromkeys(limit for route in used for limit in route.limits))
    config = limits.of_configuration(found, client)
    fields = {"typed_per_filter_config": config} if config else {}
    judging = (policy.origin for route in used for policy in route.authorization)
    return fields, frozenset((*(limit.origin for limit in found), *judging))


def _action(route: Route, match: RouteMatch, scope: PortScope) -> Json:
    match route.action:
        case Respond(status=status, body=text, encoded=encoded):
            return {"direct_response": respond(status, text, encoded=encoded)}
        case Redirect() as action:
            return {"redirect": redirect(action, match, scope.port.port)}
        case Forward() as action:
            return forward(route, action, match, scope)
        case _:
            assert_never(route.action)
