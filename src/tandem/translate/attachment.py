"""What policies have in common that are attached to other objects: rules of routes as targets, and status. Pure.

What holds of the whole is in `status.conditions`, as for every kind; what holds at one target is in `status.ancestors`
(GEP-713, PolicyAncestorStatus): there only the mistakes of that target and those of the whole count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tandem.base.problems import Problem
from tandem.ir.mesh import Route
from tandem.model.attachment import AttachedStatus, PolicyAncestor, PolicyTarget
from tandem.model.backendtls import AncestorStatus
from tandem.model.backendtraffic import XBackendTrafficPolicy
from tandem.model.faults import FaultInjection
from tandem.model.gateway import HTTPRoute, ParentReference
from tandem.model.gateways import CONTROLLER
from tandem.model.grpcroute import GRPCRoute
from tandem.model.ratelimit import RateLimit
from tandem.model.trafficpolicy import TrafficPolicy
from tandem.model.world import Key, World
from tandem.translate.conditions import (
    Patch,
    accepted_of,
    conditions_after,
    conditions_json,
    programmed_of,
)
from tandem.translate.gateway.policystatus import ancestors_patch

_RULE: Final = re.compile(r"spec\.rules\[(\d+)\]")
_TARGET: Final = re.compile(r"(spec\.targetRefs\[\d+\])(\..*)?")


def attached_patch(
    policy: RateLimit | FaultInjection | TrafficPolicy,
    problems: Sequence[Problem],
    state: tuple[bool, str] | None,
    now: float,
) -> Patch | None:
    """None where nothing changed. Ancestors of other controllers are left alone."""
    status, generation = policy.status, policy.metadata.generation
    before = {msgspec.json.encode(a.ancestor_ref): a for a in status.ancestors if a.controller_name == CONTROLLER}

    def conditions(found: Sequence[Problem], known: tuple[Any, ...]) -> tuple[Any, ...]:
        accepted = accepted_of(found)
        return conditions_after(known, (accepted, programmed_of(accepted, state)), generation, now)

    ancestors = [a for a in status.ancestors if a.controller_name != CONTROLLER]
    for i, ref in enumerate(policy.spec.target_refs):
        own = [p for p in problems if _concerns(p, f"spec.targetRefs[{i}]")]
        if any(p.code == "NotOurs" for p in own):
            continue
        known = before.get(msgspec.json.encode(ref))
        made = conditions(own, known.conditions if known is not None else ())
        ancestors.append(PolicyAncestor(ancestor_ref=ref, controller_name=CONTROLLER, conditions=made))
    wanted = AttachedStatus(conditions=conditions(problems, status.conditions), ancestors=tuple(ancestors))
    if wanted == status:
        return None
    body = {"conditions": conditions_json(wanted.conditions), "ancestors": [_json(a) for a in ancestors]}
    namespace, name = policy.key
    return Patch(kind=policy.kind, namespace=namespace, name=name, body={"status": body})


def standard_patch(
    policy: XBackendTrafficPolicy, problems: Sequence[Problem], state: tuple[bool, str] | None, now: float
) -> Patch | None:
    """The same for a policy of the Gateway API: its targets are the ancestors, and there are no other conditions."""
    before = {a.ancestor_ref: a.conditions for a in policy.status.ancestors if a.controller_name == CONTROLLER}
    own = []
    for i, target in enumerate(policy.spec.target_refs):
        ref = ParentReference(
            group=target.group, kind=target.kind, namespace=policy.metadata.namespace, name=target.name
        )
        accepted = accepted_of([p for p in problems if _concerns(p, f"spec.targetRefs[{i}]")])
        verdicts = (accepted, programmed_of(accepted, state))
        made = conditions_after(before.get(ref, ()), verdicts, policy.metadata.generation, now)
        own.append(AncestorStatus(ancestor_ref=ref, controller_name=CONTROLLER, conditions=made))
    return ancestors_patch(policy, own)


def _concerns(problem: Problem, target: str) -> bool:
    found = _TARGET.fullmatch(problem.at.path)
    return found is None or found[1] == target


def _json(ancestor: PolicyAncestor) -> dict[str, Any]:
    return {
        "ancestorRef": _reference(ancestor.ancestor_ref),
        "controllerName": ancestor.controller_name,
        "conditions": conditions_json(ancestor.conditions),
    }


def _reference(ref: PolicyTarget) -> dict[str, str]:
    """With its group, also that of the core: readers compare it with the one in spec."""
    section = {"sectionName": ref.section_name} if ref.section_name else {}
    return {"group": ref.group, "kind": ref.kind, "name": ref.name, **section}


def find_rule(world: World, kind: str, key: Key, section: str) -> tuple[int | None, str]:
    """The index of a named rule of a route (None: the whole route), and what is missing: nothing, mostly."""
    route: HTTPRoute | GRPCRoute | None = None
    if kind == "HTTPRoute":
        route = world.get(HTTPRoute, *key)
    elif kind == "GRPCRoute":
        route = world.get(GRPCRoute, *key)
    where = f"{kind} {'/'.join(key)}"
    if route is None:
        return None, f"no {where}"
    names = [rule.name for rule in route.spec.rules]
    if not section:
        return None, ""
    return (names.index(section), "") if section in names else (None, f"{where} has no rule named {section!r}")


def rule_of(route: Route) -> int | None:
    """The index of the rule that a Route came from; None: it is no rule's, such as 404 for what no rule matches."""
    found = _RULE.fullmatch(route.origin.path)
    return int(found[1]) if found is not None else None
