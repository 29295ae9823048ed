"""FaultInjections -> routes whose requests are delayed or answered on purpose, with Problems per target. Pure.

A target is a route of the same namespace, or a rule of it: what a rule has holds in place of what its route has. Of two
at the same target the older one holds (GEP-713, conflict resolution).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from tandem.base.grpc import STATUSES
from tandem.base.problems import Problem
from tandem.ir.mesh import Fault, MeshIR, Route
from tandem.model.faults import FaultInjection
from tandem.model.schemas.rules_gateway import milliseconds
from tandem.model.world import Key, World
from tandem.translate.attachment import find_rule, rule_of
from tandem.translate.gateway.edge import Edge
from tandem.translate.gateway.rewritten import rewritten
from tandem.translate.mesh.layers import age

_MILLION: Final = 1_000_000
Place = tuple[str, Key, int | None]
"""Kind, namespace and name of a route, and the index of a rule."""


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What is made of requests, by place."""

    places: Mapping[Place, Fault] = MappingProxyType({})
    problems: tuple[Problem, ...] = ()


def read_faults(world: World) -> Faults:
    """All FaultInjections of a World."""
    places: dict[Place, Fault] = {}
    problems: list[Problem] = []
    for policy in sorted(world.sorted(FaultInjection), key=age):
        fault, wrong = _fault(policy)
        problems += wrong
        for i, ref in enumerate(policy.spec.target_refs):
            key, at = (policy.metadata.namespace, ref.name), f"spec.targetRefs[{i}]"
            rule, missing = find_rule(world, ref.kind, key, ref.section_name)
            place = ref.kind, key, rule
            if missing:
                path = f"{at}.sectionName" if ref.section_name and "rule" in missing else f"{at}.name"
                problems.append(Problem(at=policy.origin(path), code="TargetNotFound", text=missing))
            elif fault is not None and place in places:
                text = f"{places[place].origin} is older and has the same target: this one does not hold there"
                problems.append(Problem(at=policy.origin(at), code="Conflicted", text=text))
            elif fault is not None:
                places[place] = fault
    return Faults(places=places, problems=tuple(problems))


def _fault(policy: FaultInjection) -> tuple[Fault | None, tuple[Problem, ...]]:
    """None where something has no meaning: then nothing is made."""
    delay, abort = policy.spec.delay, policy.spec.abort
    wrong: list[Problem] = []

    def invalid(path: str, text: str) -> None:
        wrong.append(Problem(at=policy.origin(path), code="InvalidValue", text=text))

    if delay is not None and not milliseconds(delay.duration):
        invalid("spec.delay.duration", f"{delay.duration!r} is no duration such as 500ms")
    if abort is not None and abort.grpc_status and abort.grpc_status not in STATUSES:
        invalid("spec.abort.grpcStatus", f"{abort.grpc_status!r} is none of {', '.join(STATUSES)}")
    if abort is not None and not abort.grpc_status and not 200 <= abort.http_status <= 599:
        invalid("spec.abort.httpStatus", f"{abort.http_status} is not a status from 200 to 599")
    if wrong:
        return None, tuple(wrong)
    made = Fault(origin=policy.origin())
    if delay is not None:
        made = msgspec.structs.replace(
            made, delay_ms=milliseconds(delay.duration), delay_per_million=round(delay.percent * _MILLION / 100)
        )
    if abort is not None:
        made = msgspec.structs.replace(
            made,
            abort_status=abort.http_status,
            abort_grpc=STATUSES.index(abort.grpc_status) if abort.grpc_status else None,
            abort_per_million=round(abort.percent * _MILLION / 100),
        )
    return made, ()


def fault_tables(mesh: MeshIR, faults: Faults) -> MeshIR:
    """The routes of the mesh with what is made of their requests."""
    if not faults.places:
        return mesh
    tables = {
        name: msgspec.structs.replace(table, routes=tuple(_with(route, faults) for route in table.routes))
        for name, table in mesh.tables.items()
    }
    return msgspec.structs.replace(mesh, tables=tables)


def fault_gateways(edge: Edge, faults: Faults) -> Edge:
    """The same of routes at gateways."""
    if not faults.places:
        return edge
    gateways = {
        name: rewritten(gateway, lambda _, route: (_with(route, faults),)) for name, gateway in edge.gateways.items()
    }
    return msgspec.structs.replace(edge, gateways=MappingProxyType(gateways))


def _with(route: Route, faults: Faults) -> Route:
    rule = rule_of(route)
    if rule is None:
        return route
    key = route.origin.namespace, route.origin.name
    found = faults.places.get((route.origin.kind, key, rule)) or faults.places.get((route.origin.kind, key, None))
    return msgspec.structs.replace(route, fault=found) if found is not None else route
