"""HTTP filters, one file each. The tuple is the registry and the order in which Envoy runs them.

What is for some routes alone is disabled in the chain and switched on by the route: it costs others nothing, and the
first route that asks for it changes no listener.
"""

from __future__ import annotations

from typing import Final

from tandem.compile.envoy.filters import cors, fault, session, spellings
from tandem.compile.envoy.filters.external import external
from tandem.compile.envoy.filters.router import router
from tandem.compile.envoy.filters.tokens import tokens
from tandem.compile.envoy.proto import Json
from tandem.compile.envoy.rbac import AUDIT, per_route_rbac
from tandem.compile.envoy.rbac import FILTERS as RBAC_FILTERS
from tandem.ir.fabric import LocalPod
from tandem.ir.mesh import Route

ON_DEMAND: Final = (cors, fault, session)


def http_filters() -> list[Json]:
    """The HTTP filter chain of a connection manager that routes a pod's requests."""
    return [*({**module.disabled(), "disabled": True} for module in ON_DEMAND), router()]


def inbound_filters(pod: LocalPod) -> list[Json]:
    """That of one that hands to the application what the pod's policies let through: its routes carry them."""
    first, audit, *others = ({**f, "disabled": True} for f in (spellings.disabled(), AUDIT, *RBAC_FILTERS))
    return [first, tokens(pod), audit, *external(pod), *others, router()]


def inbound_per_route(pod: LocalPod) -> dict[str, Json]:
    """By filter's name what the one route of a pod asks of it."""
    return {**spellings.per_route_spellings(pod), **per_route_rbac(pod.authorization)}


def per_route(route: Route) -> dict[str, Json]:
    """By filter's name what a route asks of it."""
    found = ((module.NAME, module.of(route)) for module in ON_DEMAND)
    return {name: config for name, config in found if config is not None}
