"""What is made on purpose of requests of a route, by FaultInjections and by `fault` of VirtualServices.

Judged on the objects; shares no code with translation.
"""

from __future__ import annotations

import re

import msgspec

from tandem.base.problems import Origin
from tandem.model.faults import FaultInjection
from tandem.model.gateway import HTTPRoute
from tandem.model.grpcroute import GRPCRoute
from tandem.model.istio import VirtualService
from tandem.model.world import World


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What is made of a request, and who says so."""

    rule: Origin
    text: str
    answer: str = ""
    """What every request is answered with; empty: not every one is."""


def trouble_at(world: World, rule: Origin) -> Trouble | None:
    """Of requests of this rule (`spec.rules[i]`) of a route: the oldest policy of the rule, else that of the route."""
    if rule.kind == "VirtualService":
        return _of_virtualservice(world, rule)
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
                delay, abort = policy.spec.delay, policy.spec.abort
                return _trouble(
                    policy.origin(),
                    delay=(delay.percent, delay.duration) if delay is not None else None,
                    abort=(abort.percent, str(abort.grpc_status or abort.http_status)) if abort is not None else None,
                )
    return None


def _of_virtualservice(world: World, rule: Origin) -> Trouble | None:
    """`fault` of `spec.http[i]`; without a percentage nothing is made."""
    index = re.fullmatch(r"spec\.http\[(\d+)\]", rule.path)
    source = world.get(VirtualService, rule.namespace, rule.name)
    fault = source.spec.http[int(index[1])].fault if index is not None and source is not None else None
    if source is None or fault is None:
        return None
    delay, abort = fault.delay, fault.abort
    waits = (delay.percentage.value if delay.percentage is not None else delay.percent) if delay is not None else 0
    ends = abort.percentage.value if abort is not None and abort.percentage is not None else 0
    return _trouble(
        source.origin(f"{rule.path}.fault"),
        delay=(waits, delay.fixed_delay) if delay is not None and waits else None,
        abort=(ends, str(abort.grpc_status or abort.http_status)) if abort is not None and ends else None,
    )


def _trouble(rule: Origin, *, delay: tuple[float, str] | None, abort: tuple[float, str] | None) -> Trouble | None:
    """Each with its share of a hundred requests."""
    parts = [f"{delay[0]:g} of 100 wait for {delay[1]}"] if delay is not None else []
    parts += [f"{abort[0]:g} of 100 are answered with {abort[1]}"] if abort is not None else []
    answer = abort[1] if abort is not None and abort[0] >= 100 else ""
    return Trouble(rule=rule, text=", ".join(parts), answer=answer) if parts else None
