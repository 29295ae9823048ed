"""spec.failover of ServiceResolvers -> the places that stand in for Services and subsets, with Problems. Pure.

What stands in for a place is not asked for in its turn (Consul: failover is of one level); redirects are followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tandem.base.problems import Problem
from tandem.ir.traffic import Failover, Place, TrafficPolicy
from tandem.model.consulroutes import ResolverFailover
from tandem.model.core import Service
from tandem.model.world import Key, World
from tandem.translate.mesh.consul.resolvers import Resolver, Resolvers, Target, follow
from tandem.translate.mesh.consul.values import EVERY


def with_failovers(
    policies: Mapping[Key, TrafficPolicy], resolvers: Resolvers, world: World
) -> tuple[dict[Key, TrafficPolicy], tuple[Problem, ...]]:
    """The policies with the places of each Service and subset that has some."""
    found = dict(policies)
    problems: list[Problem] = []
    reader = _Reader(found, resolvers, world, problems)
    for key, resolver in resolvers.found.items():
        if resolver.source.spec.failover:
            found[key] = _with(tuple(reader.read(key, resolver)), found[key])
    standing = {(*key, failover.subset) for key, policy in found.items() for failover in policy.failovers}
    for key in {(namespace, service) for namespace, service, _ in standing}:
        failovers = tuple(_level(failover, standing) for failover in found[key].failovers)
        found[key] = _with(failovers, found[key])
    return found, tuple(dict.fromkeys(problems))


def _with(failovers: tuple[Failover, ...], policy: TrafficPolicy) -> TrafficPolicy:
    return policy.each(lambda one: msgspec.structs.replace(one, failovers=failovers))


def _level(failover: Failover, standing: set[tuple[str, str, str]]) -> Failover:
    """The places, each without those that stand in for it."""
    places = (
        msgspec.structs.replace(place, alone=(place.namespace, place.service, place.subset) in standing)
        for place in failover.places
    )
    return msgspec.structs.replace(failover, places=tuple(places))


class _Reader:
    """Reads failovers; what leads nowhere is added to `problems`, and left out."""

    def __init__(
        self, policies: Mapping[Key, TrafficPolicy], resolvers: Resolvers, world: World, problems: list[Problem]
    ) -> None:
        self._policies, self._resolvers, self._world, self._problems = policies, resolvers, world, problems

    def read(self, key: Key, resolver: Resolver) -> Iterator[Failover]:
        """One for the Service and for each subset of it."""
        for subset in ("", *(s.name for s in self._policies[key].subsets)):
            chosen = _chosen(resolver, subset)
            if chosen is not None:
                places = tuple(self._places(Target(*key, subset), chosen, resolver))
                if places:
                    yield Failover(subset=subset, places=places)

    def _places(self, of: Target, chosen: tuple[str, ResolverFailover], resolver: Resolver) -> Iterator[Place]:
        name, failover = chosen
        at = f"spec.failover[{name}]"
        asked = [(f"{at}.targets[{i}]", of.elsewhere(target)) for i, target in enumerate(failover.targets)]
        for path, wanted in asked or [(at, of.elsewhere(failover))]:
            target, leads = follow(wanted, self._resolvers.found)
            mistake = self._mistake(target) if leads else ("Circular", "redirects lead in a circle")
            if mistake is not None:
                code, text = mistake
                at_path = resolver.source.origin(path)
                self._problems.append(Problem(at=at_path, code=code, text=f"{text}: nothing stands in there"))
            elif target != of:
                yield self._place(target)

    def _mistake(self, target: Target) -> tuple[str, str] | None:
        where = f"{target.namespace}/{target.service}"
        if self._world.get(Service, *target.key) is None:
            return "BackendNotFound", f"no Service {where}"
        policy = self._policies.get(target.key)
        if target.subset and target.subset not in {s.name for s in (policy.subsets if policy is not None else ())}:
            return "SubsetNotFound", f"no ServiceResolver in force defines the subset {target.subset!r} of {where}"
        return None

    def _place(self, target: Target) -> Place:
        service = self._world.get(Service, *target.key)
        ports = [p.port for p in service.spec.ports if p.protocol == "TCP"] if service is not None else []
        return Place(
            namespace=target.namespace,
            service=target.service,
            port=ports[0] if len(ports) == 1 else 0,
            subset=target.subset,
        )


def _chosen(resolver: Resolver, subset: str) -> tuple[str, ResolverFailover] | None:
    """What holds for a subset (empty: for the Service as a whole), by its key: `*` is for those that have none."""
    failover = resolver.source.spec.failover
    name = subset if subset in failover else EVERY
    return (name, failover[name]) if name in failover else None
