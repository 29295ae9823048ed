"""HTTP filters, one file each. The tuple is the registry and the order in which Envoy runs them.

What is for some routes alone is disabled in the chain and switched on by the route: it costs others nothing, and the
first route that asks for it changes no listener.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from tandem.compile import names
from tandem.compile.envoy.dynamic import request_filter
from tandem.compile.envoy.filters import asking, cors, fault, grpcweb, limits, session, spellings
from tandem.compile.envoy.filters.external import compile_external, external
from tandem.compile.envoy.filters.router import router
from tandem.compile.envoy.filters.spellings import compile_spellings, spelling_filter
from tandem.compile.envoy.filters.tokens import compile_tokens, tokens
from tandem.compile.envoy.guarded import Guarded
from tandem.compile.envoy.proto import Json, any_of, discovered
from tandem.compile.envoy.rbac import ASKED_RULES, HTTP, http_rbac, per_route_rbac, sleeping
from tandem.ir.authz import ORDER
from tandem.ir.fabric import LocalPod
from tandem.ir.mesh import Route
from tandem.state.xds import Resource

ON_DEMAND: Final = (grpcweb, cors, fault, session)


def http_filters(*, dynamic: bool = False, unrouted: bool = False) -> list[Json]:
    """The HTTP filter chain of a connection manager that routes a pod's requests; `dynamic`: some by name alone.

    `unrouted`: there is nothing but the Service, and a first route makes another chain in any case.
    """
    if unrouted:
        return [router()]
    return [*_judging_routes(), *_sleeping(), *([request_filter()] if dynamic else []), router()]


def gateway_filters(gateway: Guarded, port: int) -> list[Json]:
    """That of a port of a gateway, which judges every request, whether there is a route for it or not."""
    audit, asked, *others = (discovered(names.rbac_filter(gateway.uid, action.value, port), HTTP) for action in ORDER)
    return [
        spelling_filter(gateway),
        tokens(gateway),
        audit,
        *external(gateway, asked),
        *others,
        *_sleeping(asks=True),
        router(),
    ]


def compile_gateway_filters(gateway: Guarded, ports: Mapping[int, Guarded], keys: Mapping[str, str]) -> list[Resource]:
    """The configurations of these filters, of every port; a change counts from the next request on."""
    whole = [compile_spellings(gateway), compile_tokens(gateway, keys, routed=True), compile_external(gateway)]
    return [*whole, *(made for port, guard in ports.items() for made in _judging(guard, port))]


def inbound_filters(pod: LocalPod) -> list[Json]:
    """That of one that hands to the application what the pod's policies let through: its routes carry them."""
    first, audit, *others = _judging_routes()
    asked = {**ASKED_RULES, "disabled": True}
    return [
        first,
        tokens(pod),
        audit,
        *external(pod, asked),
        *others,
        {**limits.disabled(), "disabled": True},
        router(),
    ]


def inbound_per_route(pod: LocalPod) -> dict[str, Json]:
    """By filter's name what the one route of a pod asks of it."""
    return {
        **spellings.per_route_spellings(pod.authorization, pod.authentication),
        **per_route_rbac(pod.authorization),
        **limits.of_pod(pod),
    }


def _judging_routes() -> list[Json]:
    """What routes ask to judge by: spellings, then the actions in order."""
    return [{**spellings.disabled(), "disabled": True}, *sleeping()]


def _sleeping(*, asks: bool = False) -> Iterator[Json]:
    """`asks`: routes there may ask others about their requests, after preflights and limits."""
    first, second, *others = ON_DEMAND
    modules = (first, second, limits, *((asking,) if asks else ()), *others)
    yield from ({**module.disabled(), "disabled": True} for module in modules)


@lru_cache(maxsize=1024)
def _judging(guard: Guarded, port: int) -> tuple[Resource, ...]:
    made: list[Resource] = []
    bodies = http_rbac(guard.authorization)
    for action in ORDER:
        name = names.rbac_filter(guard.uid, action.value, port)
        origins = frozenset(p.origin for p in guard.authorization if p.action is action)
        body = {"name": name, "typed_config": any_of(HTTP, bodies.get(action))}
        made.append(Resource(name=name, body=body, origins=origins))
    return tuple(made)


def per_route(route: Route) -> dict[str, Json]:
    """By filter's name what a route asks of it."""
    found = ((module.NAME, module.of(route)) for module in ON_DEMAND)
    own = {name: config for name, config in found if config is not None}
    return {**spellings.per_route_spellings(route.authorization), **per_route_rbac(route.authorization), **own}
