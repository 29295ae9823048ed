"""XBackendTrafficPolicies of the Gateway API -> what they say of Services, in words of TrafficPolicy. Pure.

A target is a Service of the same namespace, as a whole. Of two at the same one the older holds (GEP-713); a part that a
TrafficPolicy has for it too is that one's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.model import trafficpolicy as model
from tandem.model.backendtraffic import RetryConstraint, XBackendTrafficPolicy
from tandem.model.core import Service
from tandem.model.schemas.rules_gateway import milliseconds
from tandem.model.world import Key, World

_SECOND: Final = 1000


class Standard(msgspec.Struct, frozen=True, kw_only=True):
    """Which policy holds, by Service."""

    services: Mapping[Key, XBackendTrafficPolicy] = MappingProxyType({})
    problems: tuple[Problem, ...] = ()


def read_standard(world: World, own: Mapping[Key, model.TrafficPolicy]) -> Standard:
    """All of a World, each at its targets; `own`: what TrafficPolicies say of whole Services."""
    found: dict[Key, XBackendTrafficPolicy] = {}
    problems: list[Problem] = []
    for policy in world.oldest_first(XBackendTrafficPolicy):
        for i, ref in enumerate(policy.spec.target_refs):
            key, at = (policy.metadata.namespace, ref.name), f"spec.targetRefs[{i}]"
            if (ref.group, ref.kind) != ("", "Service") or world.get(Service, *key) is None:
                what = f"no Service {'/'.join(key)}" if ref.kind == "Service" else f"{ref.group}/{ref.kind} is none"
                problems.append(Problem(at=policy.origin(at), code="TargetNotFound", text=what))
                continue
            holder = found.setdefault(key, policy)
            if holder is not policy:
                text = f"{holder.origin()} is older and has the same target: this one does not hold there"
                problems.append(Problem(at=policy.origin(at), code="Conflicted", text=text))
            elif key in own:
                problems += _shadowed(policy, own[key])
    return Standard(services=dict(sorted(found.items())), problems=tuple(problems))


def _shadowed(policy: XBackendTrafficPolicy, own: model.TrafficPolicy) -> Iterator[Problem]:
    pairs = (
        ("retryConstraint", policy.spec.retry_constraint, own.spec.retry_budget),
        ("sessionPersistence", policy.spec.session_persistence, own.spec.session_persistence),
    )
    for field, said, other in pairs:
        if said is not None and other is not None:
            text = f"{own.origin()} says it of the same Service, and goes first"
            yield Problem(at=policy.origin(f"spec.{field}"), code="Shadowed", text=text, severity=Severity.WARNING)


def spec_of(policy: XBackendTrafficPolicy) -> model.TrafficPolicySpec:
    """The same in words of TrafficPolicy."""
    asked = policy.spec.retry_constraint
    return model.TrafficPolicySpec(
        retry_budget=_budget(asked) if asked is not None else None,
        session_persistence=policy.spec.session_persistence,
    )


def _budget(asked: RetryConstraint) -> model.RetryBudget:
    """Envoy keeps so many under way as may begin within a second."""
    rate = asked.min_retry_rate
    least = -(-rate.count * _SECOND // milliseconds(rate.interval))
    return model.RetryBudget(percent=float(asked.budget.percent), minimum_retries=least, interval=asked.budget.interval)
