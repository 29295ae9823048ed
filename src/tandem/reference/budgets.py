"""How many retries callers of a Service may have, and whose sessions stay with one endpoint, by what is attached.

Judged on the objects, for `tandem explain`; shares no code with translation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tandem.model.backendtraffic import XBackendTrafficPolicy
from tandem.model.gateway import HTTPRoute, SessionPersistence
from tandem.model.grpcroute import GRPCRoute
from tandem.model.trafficpolicy import TrafficPolicy
from tandem.model.world import World
from tandem.reference.destinationrules import destination_rules
from tandem.reference.request import Caller, RouteDecision, Share, Step
from tandem.reference.support import age


def budget(world: World, share: Share, attached: tuple[TrafficPolicy, ...], caller: Caller) -> Iterator[Step]:
    """What bounds retries; `attached`: TrafficPolicies at the port, then at the Service."""
    for policy in attached:
        if (own := policy.spec.retry_budget) is not None:
            where = policy.origin("spec.retryBudget")
            yield Step(text=_part(f"{own.percent:g}", own.minimum_retries, own.interval), origin=where)
            return
    for standard in _standard(world, share):
        if (asked := standard.spec.retry_constraint) is not None:
            rate = asked.min_retry_rate
            least = f"{rate.count} each {rate.interval}"
            text = _part(str(asked.budget.percent), least, asked.budget.interval)
            yield Step(text=text, origin=standard.origin("spec.retryConstraint"))
            return
    yield from _ruled(world, share, caller)


def _ruled(world: World, share: Share, caller: Caller) -> Iterator[Step]:
    """By DestinationRules; what a port has says all there is to say of it, and budgets are not among that."""
    rules = destination_rules(world, (share.namespace, share.service), caller)
    subsets = ((r, f"spec.subsets[{i}]", s.traffic_policy, s.name) for r in rules for i, s in enumerate(r.spec.subsets))
    layers = [(rule, at, policy) for rule, at, policy, name in subsets if share.subset and name == share.subset][:1]
    for rule, at, policy in (*layers, *((rule, "spec", rule.spec.traffic_policy) for rule in rules)):
        if policy is None:
            continue
        if share.port in {own.port.number for own in policy.port_level_settings}:
            return
        if (asked := policy.retry_budget) is not None:
            text = _part(f"{asked.percent:g}", asked.min_retry_concurrency, asked.budget_interval)
            yield Step(text=text, origin=rule.origin(f"{at}.trafficPolicy.retryBudget"))
            return


def _part(percent: str, least: object, interval: str) -> str:
    within = f"requests within {interval}" if interval else "requests under way"
    return f"of 100 {within} at most {percent} may be retries, and {least} always: what is more is not tried again"


def kept(world: World, decision: RouteDecision) -> Iterator[Step]:
    """Where requests of one session stay with the endpoint of the first."""
    rule = decision.rule
    if rule is not None and rule.kind in {"HTTPRoute", "GRPCRoute"}:
        index = re.search(r"rules\[(\d+)\]$", rule.path)
        route: HTTPRoute | GRPCRoute | None = world.get(HTTPRoute, rule.namespace, rule.name)
        if rule.kind == "GRPCRoute":
            route = world.get(GRPCRoute, rule.namespace, rule.name)
        own = route.spec.rules[int(index[1])].session_persistence if route is not None and index is not None else None
        if route is not None and own is not None:
            yield Step(text=_stays(own), origin=route.origin(f"{rule.path}.sessionPersistence"))
            return
    if len(decision.backends) != 1 or decision.backends[0].status:
        return
    (share,) = decision.backends
    mine = sorted(world.all(TrafficPolicy).values(), key=age)
    whole = next((p for p in mine if p.metadata.namespace == share.namespace and _names(p, share)), None)
    for policy in (whole, *_standard(world, share)):
        said = policy.spec.session_persistence if policy is not None else None
        if policy is not None and said is not None:
            yield Step(text=_stays(said), origin=policy.origin("spec.sessionPersistence"))
            return


def _stays(asked: SessionPersistence) -> str:
    named = asked.header if asked.type == "Header" else asked.cookie
    name = named.name if named is not None and named.name else "Tandem-Session"
    return f"requests with the {asked.type.lower()} {name} stay with the endpoint that has given it out"


def _names(policy: TrafficPolicy, share: Share) -> bool:
    return ("Service", share.service, "") in {(r.kind, r.name, r.section_name) for r in policy.spec.target_refs}


def _standard(world: World, share: Share) -> list[XBackendTrafficPolicy]:
    """The oldest of those at the Service, if any."""
    every = sorted(world.all(XBackendTrafficPolicy).values(), key=age)
    target = ("", "Service", share.service)
    return [
        policy
        for policy in every
        if policy.metadata.namespace == share.namespace
        and target in {(r.group, r.kind, r.name) for r in policy.spec.target_refs}
    ][:1]
