"""Canaries -> route tables in which what went to their Services is divided between two versions, with Problems. Pure.

Nobody's routes are rewritten as objects: wherever a route sends to the Service as a whole, its share is divided, and a
Service without routes gets one that does so. A Canary that cannot be is not applied; if only its new version is
missing, everything goes to the stable one (docs/design/0032-progressive-delivery.md). Where no port of its Service is
read as requests, connections are divided in their place (docs/design/0070-canaries-of-connections.md).
"""

from __future__ import annotations

from functools import reduce
from math import gcd

import msgspec

from tandem.base.problems import Problem
from tandem.ir.mesh import Backend, BytesRoute, Forward, Route, RouteMatch, RouteTable
from tandem.translate.mesh.canary_plans import Plan, Tables, plans_of
from tandem.translate.mesh.context import Context, plain_route


def divide(tables: Tables, context: Context) -> tuple[dict[str, RouteTable], tuple[Problem, ...]]:
    """The tables with every Canary that can be applied."""
    plans, problems = plans_of(context, tables)
    found = dict(tables)
    for plan in plans:
        namespace, service = plan.service
        found.setdefault(f"{namespace}/{service}", RouteTable(namespace=namespace, service=service, routes=()))
        found = {name: _divided(table, plan) for name, table in found.items()}
    return dict(sorted(found.items())), tuple(problems)


def _divided(table: RouteTable, plan: Plan) -> RouteTable:
    if plan.connections:
        return _connections_divided(table, plan)
    own = (plain_route(plan.service, plan.split.origin),) if (table.namespace, table.service) == plan.service else ()
    routes = tuple(new for route in table.routes or own for new in divide_route(route, plan))
    return table if routes == table.routes else msgspec.structs.replace(table, routes=routes)


def _connections_divided(table: RouteTable, plan: Plan) -> RouteTable:
    """Connections that none of its routes has go to the Service itself, and are divided by one more."""
    origin, found = plan.split.origin, table.bytes
    if (table.namespace, table.service) == plan.service and all(route.matches for route in found):
        name = f"{origin.kind}/{origin.namespace}/{origin.name}/connections"
        whole = (Backend(namespace=table.namespace, service=table.service),)
        found = (*found, BytesRoute(name=name, matches=(), backends=whole, requests=True, origin=origin))
    found = tuple(divide_connections(route, plan) for route in found)
    return table if found == table.bytes else msgspec.structs.replace(table, bytes=found)


def divide_connections(route: BytesRoute, plan: Plan) -> BytesRoute:
    """What stands in the place of a route of connections."""
    if not plan.connections or not any(_names(b, plan) for b in route.backends):
        return route
    shares = _parts(route.backends, plan, plan.percent)
    return msgspec.structs.replace(route, backends=shares, splits=(*route.splits, plan.split))


def divide_route(route: Route, plan: Plan) -> tuple[Route, ...]:
    """What stands in a route's place; for A/B two: the requests that are meant, and all others."""
    if (
        plan.connections
        or not isinstance(route.action, Forward)
        or not any(_names(b, plan) for b in route.action.backends)
    ):
        return (route,)
    action = route.action
    if not plan.matches or not plan.percent:
        return (msgspec.structs.replace(route, action=_shares(action, plan, plan.percent)),)
    meant = tuple(
        msgspec.structs.replace(match, headers=(*match.headers, *headers))
        for match in route.matches or (RouteMatch(),)
        for headers in plan.matches
    )
    origin = plan.split.origin
    tried = msgspec.structs.replace(
        route,
        name=f"{route.name}/canary/{origin.namespace}/{origin.name}",
        matches=meant,
        action=_shares(action, plan, plan.percent),
    )
    return tried, msgspec.structs.replace(route, action=_shares(action, plan, 0))


def _names(backend: Backend, plan: Plan) -> bool:
    """Whoever names a subset has chosen already."""
    return (backend.namespace, backend.service) == plan.service and not backend.subset


def _shares(action: Forward, plan: Plan, percent: int) -> Forward:
    shares = _parts(action.backends, plan, percent)
    return msgspec.structs.replace(action, backends=shares, splits=(*action.splits, plan.split))


def _parts(shares: tuple[Backend, ...], plan: Plan, percent: int) -> tuple[Backend, ...]:
    backends: list[Backend] = []
    for backend in shares:
        if not _names(backend, plan):
            backends.append(msgspec.structs.replace(backend, weight=backend.weight * 100))
            continue
        for (service, subset), part in ((plan.stable, 100 - percent), (plan.canary, percent)):
            weight = backend.weight * part
            if part:
                backends.append(msgspec.structs.replace(backend, service=service, subset=subset, weight=weight))
    common = reduce(gcd, (b.weight for b in backends)) or 1
    return tuple(msgspec.structs.replace(b, weight=b.weight // common) for b in backends)
