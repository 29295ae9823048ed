"""The annotation `networking.istio.io/traffic-distribution` -> nearest endpoints first, for callers in the mesh. Pure.

Istio's rules: that of a Service or ServiceEntry, else that of its namespace; `spec.trafficDistribution` of the Service
comes before it, and what a DestinationRule says of localities, too. It needs no outlier detection.

What Services and namespaces wish is read apart from the rest of the mesh: it is the same while none of them has another
wish, whatever else changes of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Final

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.locality import LocalityBalancing, Preference
from tandem.ir.traffic import TrafficPolicy
from tandem.model import core
from tandem.model.meta import Object
from tandem.model.world import Key, World
from tandem.translate.mesh.istio.serviceentry import Entries

ANNOTATION: Final = "networking.istio.io/traffic-distribution"
_ZONE: Final = (core.REGION, core.ZONE)
_NODE: Final = (*_ZONE, core.SUBZONE, "kubernetes.io/hostname")
_WISHES: Final = {"preferclose": _ZONE, "prefersamezone": _ZONE, "prefersamenode": _NODE}
_LABELS = tuple[str, ...]
Policies = Mapping[Key, TrafficPolicy]


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for by Services, and by namespaces that ask for anything; labels in their order."""

    services: tuple[tuple[Key, _LABELS], ...] = ()
    namespaces: tuple[tuple[str, str], ...] = ()
    problems: tuple[Problem, ...] = ()


def read_wishes(world: World) -> Wishes:
    """Of all of them; of those that nobody knows it is told."""
    named = {n.metadata.name: wish for n in world.sorted(core.Namespace) if (wish := _said(n))}
    asked = {
        service.key: wish
        for service in world.all(core.Service).values()
        if (wish := _said(service) or named.get(service.metadata.namespace, ""))
        and not service.spec.traffic_distribution
    }
    known = {key: _WISHES[wish] for key, wish in asked.items() if wish in _WISHES}
    every: tuple[Object, ...] = (*world.all(core.Namespace).values(), *world.all(core.Service).values())
    return Wishes(
        services=tuple(sorted(known.items())), namespaces=tuple(named.items()), problems=tuple(_unknown(every))
    )


def near_first(entries: Entries, policies: Policies, wishes: Wishes) -> tuple[Policies, tuple[Problem, ...]]:
    """`policies`, and those of hosts that only wish for endpoints nearby."""
    around = dict(wishes.namespaces)
    asked = {key: _said(entry) or around.get(key[0], "") for key, entry in entries.hosts.items()}
    wished = {**dict(wishes.services), **{key: _WISHES[wish] for key, wish in asked.items() if wish in _WISHES}}
    near = {key: _policy(key, policies).each(partial(_near, _balancing(labels))) for key, labels in wished.items()}
    told = _unknown({entry.key: entry for entry in entries.hosts.values()}.values())
    return {**policies, **near}, (*wishes.problems, *told)


def _near(balancing: LocalityBalancing, policy: TrafficPolicy) -> TrafficPolicy:
    return policy.settled(balancing)


def _said(found: Object) -> str:
    return found.metadata.annotations.get(ANNOTATION, "").lower()


def _policy(key: Key, policies: Policies) -> TrafficPolicy:
    return policies.get(key) or TrafficPolicy(namespace=key[0], service=key[1])


def _balancing(labels: _LABELS) -> LocalityBalancing:
    return LocalityBalancing(preferences=tuple(Preference(label=label) for label in labels), always=True)


def _unknown(every: Iterable[Object]) -> Iterator[Problem]:
    wrong = (found for found in every if (wish := _said(found)) and wish not in _WISHES)
    for found in sorted(wrong, key=lambda found: (found.kind, found.key)):
        value = found.metadata.annotations[ANNOTATION]
        text = f"{value!r} is none of PreferSameZone, PreferClose, PreferSameNode: all endpoints are alike"
        at = found.origin(f"metadata.annotations[{ANNOTATION}]")
        yield Problem(at=at, code="InvalidValue", text=text, severity=Severity.WARNING)
