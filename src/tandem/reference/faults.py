"""What FaultInjections make of requests of a route, judged on the objects; shares no code with translation."""

from __future__ import annotations

import re

import msgspec

from tandem.base.problems import Origin
from tandem.model.faults import FaultInjection
from tandem.model.gateway import HTTPRoute
from tandem.model.grpcroute import GRPCRoute
from tandem.model.world import World


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What is made of a request, and who says so."""

    rule: Origin
    text: str


def trouble_at(world: World, rule: Origin) -> Trouble | None:
    """Of requests of this rule (`spec.rules[i]`) of a route: the oldest policy of the rule, else that of the route."""
    index = re.fullmatch(r"spec\.rules\[(\d+)\]", rule.path)
    route: HTTPRoute | GRPCRoute | None = None
    if rule.kind == "HTTPRoute":
        route = world.get(HTTPRoute, rule.namespace, rule.name)
    elif rule.kind == "GRPCRoute":
        route = world.get(GRPCRoute, rule.namespace, rule.name)
    if index is None or route is None:
        return None
    name = route.spec.rules[int(index[1])].name
    own = [p for p in world.sorted(FaultInjection) if p.metadata.namespace == rule.namespace]
    own.sort(key=lambda p: (p.metadata.creation_timestamp or "", p.metadata.name))
    for section in (name, "") if name else ("",):
        for policy in own:
            refs = ((r.kind, r.name, r.section_name) for r in policy.spec.target_refs)
            if (rule.kind, rule.name, section) in refs:
                return Trouble(rule=policy.origin(), text=_text(policy))
    return None


def _text(policy: FaultInjection) -> str:
    delay, abort = policy.spec.delay, policy.spec.abort
    parts = []
    if delay is not None:
        parts.append(f"{delay.percent:g} of 100 wait for {delay.duration}")
    if abort is not None:
        parts.append(f"{abort.percent:g} of 100 are answered with {abort.grpc_status or abort.http_status}")
    return ", ".join(parts)
