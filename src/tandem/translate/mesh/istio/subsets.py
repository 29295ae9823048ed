"""Subsets of a Service without an endpoint -> Problems at the DestinationRule's selector. Pure.

Apart from what reads DestinationRules, since endpoints come and go: only the Services concerned are looked at then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.traffic import TrafficPolicy
from tandem.model.consulmeta import traits_of
from tandem.model.core import EndpointSlice, Pod, Service
from tandem.model.world import World


def subset_problems(world: World, policies: Mapping[str, TrafficPolicy]) -> tuple[Problem, ...]:
    """Of every Service that has a traffic policy; policies by `namespace/service`."""
    return tuple(problem for name in sorted(policies) for problem in problems_of(name, policies[name], world))


def problems_of(name: str, policy: TrafficPolicy | None, world: World) -> tuple[Problem, ...]:
    """Of one Service, by `namespace/name`; hosts of ServiceEntries, whose endpoints are told in them, have none."""
    namespace, _, service = name.partition("/")
    key = namespace, service
    if policy is None or not policy.subset_names or world.get(Service, *key) is None:
        return ()
    every = (policy, *(callers.policy for callers in policy.callers))
    told = (p for one in every for p in _empty(one, world.slices_by_service.get(key, ()), world.pods_by_uid))
    return tuple(dict.fromkeys(told))


def _empty(policy: TrafficPolicy, slices: Iterable[EndpointSlice], pods: Mapping[str, Pod]) -> Iterator[Problem]:
    refs = (e.target_ref for s in slices for e in s.endpoints)
    found = [pod for ref in refs if ref is not None and (pod := pods.get(ref.uid)) is not None]
    for subset in policy.subsets:
        held = any(dict(subset.labels).items() <= traits_of(pod.metadata).items() for pod in found)
        if held or subset.origin is None:
            continue
        wanted = ",".join(f"{k}={v}" for k, v in subset.labels)
        text = f"no endpoint of Service {policy.namespace}/{policy.service} has the labels {wanted}"
        field = "labels" if subset.origin.kind == "DestinationRule" else "filter"
        at = msgspec.structs.replace(subset.origin, path=f"{subset.origin.path}.{field}")
        yield Problem(at=at, code="SubsetEmpty", text=text, severity=Severity.WARNING)
