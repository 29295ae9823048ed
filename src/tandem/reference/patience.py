"""How long a rule waits and how often it tries, how much a Service takes at one time and who rests after failures.

Budgets of retries: `budgets.py`.

Judged on the objects, for `tandem explain`; shares no code with translation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tandem.base.problems import Origin
from tandem.model import istio
from tandem.model.core import Service
from tandem.model.gateway import HTTPRoute
from tandem.model.trafficpolicy import TrafficPolicy
from tandem.model.world import World
from tandem.reference.budgets import budget
from tandem.reference.destinationrules import destination_rules
from tandem.reference.request import ANYBODY, Caller, RouteDecision, Share, Step
from tandem.reference.support import age

_Spec = istio.TrafficPolicySpec | istio.PortPolicySpec


def patience(world: World, decision: RouteDecision) -> Iterator[Step]:
    """Of the rule that decided: timeouts and retries, as far as it has any."""
    rule = decision.rule
    index = re.search(r"\[(\d+)\]$", rule.path) if rule is not None else None
    if rule is None or index is None:
        return
    if decision.timeout_ms:
        yield Step(text=f"who has no answer after {decision.timeout_ms} ms is answered with 504", origin=rule)
    if rule.kind == "VirtualService" and rule.path.startswith("spec.http"):
        source = world.get(istio.VirtualService, rule.namespace, rule.name)
        retries = source.spec.http[int(index[1])].retries if source is not None else None
        if source is not None and retries is not None:
            asked = f" on {retries.retry_on}" if retries.retry_on else ""
            each = f", {retries.per_try_timeout} each" if retries.per_try_timeout else ""
            text = f"tries again up to {retries.attempts} times{asked}{each}" if retries.attempts else "tries once"
            yield Step(text=text, origin=source.origin(f"{rule.path}.retries"))
    if rule.kind == "HTTPRoute":
        route = world.get(HTTPRoute, rule.namespace, rule.name)
        own = route.spec.rules[int(index[1])] if route is not None else None
        if route is not None and own is not None and own.timeouts.backend_request:
            text = f"each try may take {own.timeouts.backend_request}"
            yield Step(text=text, origin=route.origin(f"{rule.path}.timeouts.backendRequest"))
        if route is not None and own is not None and own.retry is not None:
            codes = f" on {', '.join(map(str, own.retry.codes))}" if own.retry.codes else ""
            times = f" up to {own.retry.attempts} times" if own.retry.attempts is not None else ""
            yield Step(text=f"tries again{times}{codes}", origin=route.origin(f"{rule.path}.retry"))


def limits(world: World, share: Share, caller: Caller = ANYBODY) -> Iterator[Step]:
    """What a node's proxy opens at most towards a backend, and which of its endpoints rest."""
    specs = tuple(_specs(world, share, caller))
    attached = tuple(_attached(world, share))
    for policy in (p for p in attached if p.spec.circuit_breaker is not None):
        breaker = policy.spec.circuit_breaker
        assert breaker is not None  # noqa: S101 - that is what was asked for
        most = breaker.connections, breaker.pending_requests, breaker.requests, breaker.retries
        yield from _most(policy.origin("spec.circuitBreaker"), *most)
        break
    else:
        for spec, at in specs:
            if (pool := spec.connection_pool) is not None:
                http = pool.http
                yield from _most(
                    _below(at, "connectionPool"),
                    pool.tcp.max_connections,
                    http.http1_max_pending_requests,
                    http.http2_max_requests,
                    http.max_retries,
                )
                break
    yield from budget(world, share, attached, caller)
    for policy in (p for p in attached if p.spec.outlier_detection is not None):
        mine = policy.spec.outlier_detection
        assert mine is not None  # noqa: S101 - likewise
        local = mine.consecutive_local_errors
        errors: tuple[int | None, ...] = (mine.consecutive_errors, mine.consecutive_gateway_errors, local)
        yield from _rests(policy.origin("spec.outlierDetection"), errors, mine.rest, mine.maximum_percent)
        return
    for spec, at in specs:
        if (found := spec.outlier_detection) is not None:
            whole = 5 if found.consecutive_5xx_errors is None else found.consecutive_5xx_errors
            errors = whole, found.consecutive_gateway_errors or found.consecutive_errors
            rest = found.base_ejection_time or "30s"
            yield from _rests(_below(at, "outlierDetection"), errors, rest, found.max_ejection_percent)
            return


def _most(rule: Origin, *counts: int | None) -> Iterator[Step]:
    names = ("connections", "waiting requests", "requests", "retries")
    told = [f"{count} {name}" for name, count in zip(names, counts, strict=True) if count is not None]
    if told:
        text = (
            f"at most {', '.join(told)} at one time, of all pods of a node together: what is more is answered with 503"
        )
        yield Step(text=text, origin=rule)


def _rests(rule: Origin, counts: tuple[int | None, ...], rest: str, most: int) -> Iterator[Step]:
    """`counts`: of each kind of error so many in a row; none: that kind does nothing."""
    often = min((count for count in counts if count), default=0)
    if often:
        text = (
            f"an endpoint that fails {often} times in a row gets nothing for {rest}; at most {most} of 100 at one time"
        )
        yield Step(text=text, origin=rule)


def _attached(world: World, share: Share) -> Iterator[TrafficPolicy]:
    """TrafficPolicies at the port, then at the Service, the oldest of each."""
    service = world.get(Service, share.namespace, share.service)
    ports = service.spec.ports if service is not None else ()
    named = next((p.name for p in ports if p.port == share.port), "")
    own = [p for p in sorted(world.all(TrafficPolicy).values(), key=age) if p.metadata.namespace == share.namespace]
    for section in (named, "") if named else ("",):
        wanted = ("Service", share.service, section)
        yield from [p for p in own if wanted in {(r.kind, r.name, r.section_name) for r in p.spec.target_refs}][:1]


def _specs(world: World, share: Share, caller: Caller) -> Iterator[tuple[_Spec, Origin]]:
    """What DestinationRules say (`trafficPolicy`), who wins first: a port's says all there is to say below it."""
    rules = destination_rules(world, (share.namespace, share.service), caller)
    if share.subset:
        found = ((r, i, s) for r in rules for i, s in enumerate(r.spec.subsets) if s.name == share.subset)
        for rule, i, subset in found:
            if subset.traffic_policy is not None:
                layers = tuple(_layers(rule, subset.traffic_policy, f"spec.subsets[{i}].trafficPolicy", share.port))
                yield from layers
                if any(isinstance(spec, istio.PortPolicySpec) for spec, _ in layers):
                    return
            break
    for rule in rules:
        if rule.spec.traffic_policy is not None:
            yield from _layers(rule, rule.spec.traffic_policy, "spec.trafficPolicy", share.port)
            return


def _layers(
    rule: istio.DestinationRule, policy: istio.TrafficPolicySpec, at: str, port: int
) -> Iterator[tuple[_Spec, Origin]]:
    for i, own in enumerate(policy.port_level_settings):
        if own.port.number == port:
            yield own, rule.origin(f"{at}.portLevelSettings[{i}]")
            return
    yield policy, rule.origin(at)


def _below(at: Origin, field: str) -> Origin:
    return Origin(kind=at.kind, namespace=at.namespace, name=at.name, path=f"{at.path}.{field}", source=at.source)
