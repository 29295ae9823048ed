"""Policies of Services and a caller -> by which of them it calls: where some hold for callers that it is one of. Pure.

Callers with the same answer share clusters; where no rule is about callers nobody has any but the shared ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tandem.base.memo import same_as_before
from tandem.compile import names
from tandem.ir.traffic import CallersPolicy, TrafficPolicy

Among = tuple[tuple[str, str], ...]
"""Services, each with the callers (`names.callers`) whose rule holds for somebody in place of the one for all."""


def among_of(policies: Mapping[str, TrafficPolicy], namespace: str, labels: Iterable[tuple[str, str]]) -> Among:
    """Of a pod or a gateway with these labels, by name of the Service."""
    carried = frozenset(labels) if (divided := _divided(policies)) else frozenset[tuple[str, str]]()
    found = (
        (key, next((one for one in policies[key].callers if one.covers(namespace, carried)), None)) for key in divided
    )
    return tuple((key, called(one)) for key, one in found if one is not None)


def called(callers: CallersPolicy) -> str:
    """What these callers are called in names of clusters."""
    return names.callers(callers.namespace, callers.labels)


def policy_among(policy: TrafficPolicy | None, who: str) -> TrafficPolicy | None:
    """That of these callers; an empty `who`: of all others."""
    if policy is None or not who:
        return policy
    return next((one.policy for one in policy.callers if called(one) == who), policy)


def policies_among(policies: Mapping[str, TrafficPolicy], among: Among) -> Mapping[str, TrafficPolicy]:
    """All of them as somebody sees them."""
    if not among:
        return policies
    own = {key: found for key, who in among if (found := policy_among(policies.get(key), who)) is not None}
    return {**policies, **own}


@same_as_before
def _divided(policies: Mapping[str, TrafficPolicy]) -> tuple[str, ...]:
    """The Services whose callers have different rules."""
    return tuple(sorted(key for key, policy in policies.items() if policy.callers))
