"""Canaries over the routes of gateways, and what is told of Canaries whose requests go elsewhere. Pure.

What a gateway sends to a Service as a whole is divided as what pods send there is (`mesh/canaries.py`). Only who knows
the routes of both can tell that a Canary gets no requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from types import MappingProxyType

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.gateway import Gateway, connections_of, routes_of
from tandem.ir.mesh import Backend, Forward, MeshIR, RouteTable, Split
from tandem.model.canary import Canary
from tandem.model.world import Key, World
from tandem.translate.gateway.edge import Edge
from tandem.translate.gateway.rewritten import reconnected, rewritten
from tandem.translate.mesh.canaries import divide_connections, divide_route
from tandem.translate.mesh.canary_plans import Plan, plans_of
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.istio.serviceentry import read_entries
from tandem.translate.options import Options


def divide_gateways(world: World, options: Options, edge: Edge, mesh: MeshIR) -> Edge:
    """The gateways with every Canary that can be applied; `mesh` is divided already, and has told their mistakes."""
    if not world.all(Canary):
        return edge
    policies = {(policy.namespace, policy.service): policy for policy in mesh.policies.values()}
    context = Context(world=world, options=options, entries=read_entries(world, options), policies=policies)
    plans, _ = plans_of(context, mesh.tables)
    gateways = {name: reduce(_divided, plans, gateway) for name, gateway in edge.gateways.items()}
    requests = list(_requests(mesh.tables.values(), gateways.values()))
    connections = list(_connections(mesh.tables.values(), gateways.values()))
    told = (problem for plan in plans for problem in _unused(plan, connections if plan.connections else requests))
    return msgspec.structs.replace(edge, gateways=MappingProxyType(gateways), problems=(*edge.problems, *told))


_Sent = tuple[tuple[Split, ...], tuple[Backend, ...]]
"""Who has divided what a route sends, and where it goes."""


def _requests(tables: Iterable[RouteTable], gateways: Iterable[Gateway]) -> Iterator[_Sent]:
    routes = (route for table in tables for route in table.routes)
    for route in (*routes, *(route for gateway in gateways for route in routes_of(gateway))):
        if isinstance(route.action, Forward):
            yield route.action.splits, route.action.backends


def _connections(tables: Iterable[RouteTable], gateways: Iterable[Gateway]) -> Iterator[_Sent]:
    for table in tables:
        yield from ((route.splits, route.backends) for route in table.bytes)
    for gateway in gateways:
        yield from ((route.splits, route.backends) for route in connections_of(gateway))


def canaries_of(edge: Edge) -> frozenset[Key]:
    """Those that divide what comes in by a gateway."""
    gateways = edge.gateways.values()
    return _named((*_requests((), gateways), *_connections((), gateways)))


def of_connections(mesh: MeshIR, edge: Edge) -> frozenset[Key]:
    """Those that divide connections."""
    return _named(_connections(mesh.tables.values(), edge.gateways.values()))


def _named(sent: Iterable[_Sent]) -> frozenset[Key]:
    return frozenset((split.origin.namespace, split.origin.name) for splits, _ in sent for split in splits)


def _divided(gateway: Gateway, plan: Plan) -> Gateway:
    if plan.connections:
        return reconnected(gateway, lambda route: divide_connections(route, plan))
    return rewritten(gateway, lambda _, route: divide_route(route, plan))


def _unused(plan: Plan, every: Sequence[_Sent]) -> Iterator[Problem]:
    """A Canary that nothing can meet would wait for ever, and nobody would know for what."""
    at = msgspec.structs.replace(plan.split.origin, path="spec.service")
    what = "connections" if plan.connections else "requests"
    if not any(plan.split in splits for splits, _ in every):
        namespace, service = plan.service
        text = f"no route sends anything to Service {namespace}/{service} as a whole: nothing is divided"
        yield Problem(at=at, code="NotRouted", text=text, severity=Severity.WARNING)
    version = {plan.stable, plan.canary} - {(plan.service[1], "")}
    past = any(
        b.namespace == plan.service[0] and (b.service, b.subset) in version
        for splits, backends in every
        if plan.split not in splits
        for b in backends
    )
    if past:
        text = f"a route names one of its versions itself: those {what} are neither divided nor judged"
        yield Problem(at=at, code="Bypassed", text=text, severity=Severity.WARNING)
