"""The annotation `networking.istio.io/traffic-distribution` -> nearest endpoints first, for callers in the mesh. Pure.

Istio's rules: that of a Service or ServiceEntry, else that of its namespace; `spec.trafficDistribution` of the Service
comes before it, and what a DestinationRule says of localities, too. It needs no outlier detection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tandem.base.problems import Problem, Severity
from tandem.ir.locality import LocalityBalancing, Preference
from tandem.ir.traffic import TrafficPolicy
from tandem.model import core
from tandem.model.egress import ServiceEntry
from tandem.model.meta import Object
from tandem.model.world import Key, World
from tandem.translate.mesh.istio.serviceentry import Entries

ANNOTATION: Final = "networking.istio.io/traffic-distribution"
_ZONE: Final = (core.REGION, core.ZONE)
_NODE: Final = (*_ZONE, core.SUBZONE, "kubernetes.io/hostname")
_WISHES: Final = {"preferclose": _ZONE, "prefersamezone": _ZONE, "prefersamenode": _NODE}
Policies = Mapping[Key, TrafficPolicy]


def near_first(world: World, entries: Entries, policies: Policies) -> tuple[Policies, tuple[Problem, ...]]:
    """`policies`, and those of hosts that only wish for endpoints nearby; wishes that nobody knows are told."""
    asked = {key: _asked(world, found) for key, found in _hosts(world, entries)}
    wished = {key: _WISHES[wish] for key, wish in asked.items() if wish in _WISHES}
    near = {key: _policy(key, policies).settled(_balancing(labels)) for key, labels in wished.items()}
    return {**policies, **near}, tuple(dict.fromkeys(_unknown(world)))


def _hosts(world: World, entries: Entries) -> Iterator[tuple[Key, core.Service | ServiceEntry]]:
    yield from ((s.key, s) for s in world.all(core.Service).values() if not s.spec.traffic_distribution)
    yield from entries.hosts.items()


def _asked(world: World, found: Object) -> str:
    around = world.get(core.Namespace, "", found.metadata.namespace)
    wide = around.metadata.annotations.get(ANNOTATION, "") if around is not None else ""
    return (found.metadata.annotations.get(ANNOTATION, "") or wide).lower()


def _policy(key: Key, policies: Policies) -> TrafficPolicy:
    return policies.get(key) or TrafficPolicy(namespace=key[0], service=key[1])


def _balancing(labels: tuple[str, ...]) -> LocalityBalancing:
    return LocalityBalancing(preferences=tuple(Preference(label=label) for label in labels), always=True)


def _unknown(world: World) -> Iterator[Problem]:
    for kind in (core.Namespace, core.Service, ServiceEntry):
        for found in world.sorted(kind):
            value = found.metadata.annotations.get(ANNOTATION, "")
            if value and value.lower() not in _WISHES:
                text = f"{value!r} is none of PreferSameZone, PreferClose, PreferSameNode: all endpoints are alike"
                at = found.origin(f"metadata.annotations[{ANNOTATION}]")
                yield Problem(at=at, code="InvalidValue", text=text, severity=Severity.WARNING)
