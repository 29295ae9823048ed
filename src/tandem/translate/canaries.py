"""Canaries over the routes of gateways, and what is told of Canaries whose requests go elsewhere. Pure.

What a gateway sends to a Service as a whole is divided as what pods send there is (`mesh/canaries.py`). Only who knows
the routes of both can tell that a Canary gets no requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from types import MappingProxyType

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.gateway import Gateway, routes_of
from tandem.ir.mesh import Forward, MeshIR
from tandem.model.canary import Canary
from tandem.model.world import Key, World
from tandem.translate.gateway.edge import Edge
from tandem.translate.gateway.rewritten import rewritten
from tandem.translate.mesh.canaries import divide_route
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
    plans, _ = plans_of(context)
    gateways = {name: reduce(_divided, plans, gateway) for name, gateway in edge.gateways.items()}
    routes = [route for table in mesh.tables.values() for route in table.routes]
    routes += [route for gateway in gateways.values() for route in routes_of(gateway)]
    actions = [route.action for route in routes if isinstance(route.action, Forward)]
    told = (problem for plan in plans for problem in _unused(plan, actions))
    return msgspec.structs.replace(edge, gateways=MappingProxyType(gateways), problems=(*edge.problems, *told))


def canaries_of(edge: Edge) -> frozenset[Key]:
    """Those that divide what comes in by a gateway."""
    return frozenset(
        (split.origin.namespace, split.origin.name)
        for gateway in edge.gateways.values()
        for route in routes_of(gateway)
        if isinstance(route.action, Forward)
        for split in route.action.splits
    )


def _divided(gateway: Gateway, plan: Plan) -> Gateway:
    return rewritten(gateway, lambda _, route: divide_route(route, plan))


def _unused(plan: Plan, actions: Sequence[Forward]) -> Iterator[Problem]:
    """A Canary that no request can meet would wait for ever, and nobody would know for what."""
    at = msgspec.structs.replace(plan.split.origin, path="spec.service")
    if not any(plan.split in action.splits for action in actions):
        namespace, service = plan.service
        text = f"no route sends anything to Service {namespace}/{service} as a whole: nothing is divided"
        yield Problem(at=at, code="NotRouted", text=text, severity=Severity.WARNING)
    version = {plan.stable, plan.canary} - {(plan.service[1], "")}
    past = any(
        b.namespace == plan.service[0] and (b.service, b.subset) in version
        for action in actions
        if plan.split not in action.splits
        for b in action.backends
    )
    if past:
        text = "a route names one of its versions itself: those requests are neither divided nor judged"
        yield Problem(at=at, code="Bypassed", text=text, severity=Severity.WARNING)
