"""ServiceResolvers -> which endpoints a service stands for, and how they are reached, with Problems. Pure.

A resolver with a field that is not enforced is refused as a whole: the service is as if it had none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.locality import LocalityBalancing
from tandem.ir.traffic import (
    ByAddress,
    ByCookie,
    ByHeader,
    ByQuery,
    HashKey,
    LoadBalancer,
    Subset,
    Traffic,
    TrafficPolicy,
)
from tandem.model.consulroutes import Elsewhere, HashPolicy, ResolverBalancer, ResolverFailover, ServiceResolver
from tandem.model.world import Key, World
from tandem.translate.mesh.consul.expressions import read_filter
from tandem.translate.mesh.consul.values import EVERY, FAR, time_of
from tandem.translate.mesh.values import Wrong

CONNECT_MS: Final = 5_000
"""Consul's time for a connection, where nothing is said."""
_BALANCERS: Final = {
    "": LoadBalancer.LEAST_REQUEST,
    "random": LoadBalancer.RANDOM,
    "round_robin": LoadBalancer.ROUND_ROBIN,
    "least_request": LoadBalancer.LEAST_REQUEST,
    "ring_hash": LoadBalancer.RING_HASH,
    "maglev": LoadBalancer.MAGLEV,
}


class Target(msgspec.Struct, frozen=True, order=True):
    """A service, or a subset of it."""

    namespace: str
    service: str
    subset: str = ""

    @property
    def key(self) -> Key:
        """The service."""
        return self.namespace, self.service

    def elsewhere(self, other: Elsewhere | ResolverFailover) -> Target:
        """What stands in its place: of another service no subset is meant unless one is named."""
        service = other.service or self.service
        subset = self.subset if service == self.service else ""
        return Target(other.namespace or self.namespace, service, other.service_subset or subset)


class Resolver(msgspec.Struct, frozen=True, kw_only=True):
    """What one says that is in force."""

    source: ServiceResolver
    request_ms: int | None
    """None: nothing is said, 0: no end."""
    policy: TrafficPolicy


class Resolvers(msgspec.Struct, frozen=True, kw_only=True):
    """Of every service that has one."""

    found: Mapping[Key, Resolver]
    problems: tuple[Problem, ...]


def read_resolvers(world: World) -> Resolvers:
    """Those that are in force."""
    problems: list[Problem] = []
    found: dict[Key, Resolver] = {}
    for source in world.sorted(ServiceResolver):
        reader = _Reader(source)
        made = reader.read()
        problems += reader.problems
        if not any(p.severity is Severity.ERROR for p in reader.problems):
            found[source.key] = made
    return Resolvers(found=found, problems=tuple(problems))


class _Reader:
    """Reads one resolver; what is wrong with it is in `problems`."""

    def __init__(self, source: ServiceResolver) -> None:
        self._source = source
        self.problems: list[Problem] = []

    def read(self) -> Resolver:
        """What it says."""
        spec = self._source.spec
        if spec.redirect is not None:
            self._here(spec.redirect, "spec.redirect")
        for name, failover in spec.failover.items():
            self._failover(failover, f"spec.failover[{name}]")
            if name != EVERY and name not in spec.subsets:
                self._wrong(f"spec.failover[{name}]", "InvalidValue", f"there is no subset {name!r}")
        subsets = tuple(self._subsets())
        if spec.default_subset and spec.default_subset not in spec.subsets:
            self._wrong("spec.defaultSubset", "InvalidValue", f"there is no subset {spec.default_subset!r}")
        traffic = Traffic(
            connect_timeout_ms=time_of(spec.connect_timeout, "spec.connectTimeout", self._wrong) or CONNECT_MS
        )
        if spec.load_balancer is not None:
            traffic = msgspec.structs.replace(
                traffic, **_balancer(spec.load_balancer, "spec.loadBalancer", self._wrong)
            )
        if spec.prioritize_by_locality is not None:
            near = spec.prioritize_by_locality.mode == "failover"
            traffic = msgspec.structs.replace(traffic, locality=LocalityBalancing(enabled=near))
        return Resolver(
            source=self._source,
            request_ms=time_of(spec.request_timeout, "spec.requestTimeout", self._wrong),
            policy=TrafficPolicy(
                namespace=self._source.metadata.namespace,
                service=self._source.metadata.name,
                traffic=traffic,
                subsets=subsets,
                origin=self._source.origin(),
            ),
        )

    def _subsets(self) -> Iterator[Subset]:
        for name, subset in sorted(self._source.spec.subsets.items()):
            at = f"spec.subsets[{name}]"
            if subset.only_passing:
                text = "endpoints that are not ready get nothing anyhow"
                origin = self._source.origin(f"{at}.onlyPassing")
                self.problems.append(Problem(at=origin, code="NoEffect", text=text, severity=Severity.WARNING))
            labels = read_filter(subset.filter)
            if isinstance(labels, str):
                self._wrong(f"{at}.filter", "UnsupportedValue", labels)
            else:
                yield Subset(name=name, labels=labels, origin=self._source.origin(at))

    def _failover(self, asked: ResolverFailover, at: str) -> None:
        for name, value in (("datacenters", asked.datacenters), ("samenessGroup", asked.sameness_group)):
            if value:
                self._wrong(f"{at}.{name}", "UnsupportedField", "there is one cluster here, and nothing beside it")
        if asked.policy.mode not in {"", "sequential"} or asked.policy.regions:
            text = "places are tried in their order, and endpoints by locality within each"
            self._wrong(f"{at}.policy", "UnsupportedField", text)
        for i, target in enumerate(asked.targets):
            self._here(target, f"{at}.targets[{i}]")

    def _here(self, other: Elsewhere, at: str) -> None:
        for name, field in FAR:
            if getattr(other, field, ""):
                self._wrong(f"{at}.{name}", "UnsupportedField", "there is one cluster here, and nothing beside it")

    def _wrong(self, path: str, code: str, text: str) -> None:
        text = f"{text}: the whole ServiceResolver is not applied"
        self.problems.append(Problem(at=self._source.origin(path), code=code, text=text))


def _balancer(asked: ResolverBalancer, at: str, wrong: Wrong) -> dict[str, object]:
    keys = tuple(_key(policy, f"{at}.hashPolicies[{i}]", wrong) for i, policy in enumerate(asked.hash_policies))
    return {
        "lb": _BALANCERS[asked.policy],
        "hash": keys,
        "choices": asked.least_request_config.choice_count,
        "table_size": asked.ring_hash_config.minimum_ring_size,
        "table_most": asked.ring_hash_config.maximum_ring_size,
    }


def _key(asked: HashPolicy, at: str, wrong: Wrong) -> HashKey:
    last = asked.terminal
    if asked.source_ip:
        return ByAddress(terminal=last)
    if asked.field == "header":
        return ByHeader(name=asked.field_value.lower(), terminal=last)
    if asked.field == "query_parameter":
        return ByQuery(name=asked.field_value, terminal=last)
    cookie = asked.cookie_config
    if cookie is None:
        return ByCookie(name=asked.field_value, terminal=last)
    ttl = time_of(cookie.ttl, f"{at}.cookieConfig.ttl", wrong) or 0
    given = 0 if cookie.session else -(-ttl // 1000) or None
    return ByCookie(name=asked.field_value, path=cookie.path, ttl_s=given, terminal=last)


def follow(target: Target, found: Mapping[Key, Resolver]) -> tuple[Target, bool]:
    """Where redirects and default subsets lead, and whether they do: in a circle they lead nowhere."""
    seen: set[Target] = set()
    while target not in seen:
        seen.add(target)
        resolver = found.get(target.key)
        spec = resolver.source.spec if resolver is not None else None
        after = target
        if spec is not None and spec.redirect is not None:
            after = target.elsewhere(spec.redirect)
        if spec is not None and after == target and not target.subset and spec.default_subset:
            after = Target(*target.key, spec.default_subset)
        if after == target:
            return target, True
        target = after
    return target, False


def under(
    consul: Mapping[Key, Resolver], rules: Mapping[Key, TrafficPolicy]
) -> tuple[dict[Key, TrafficPolicy], tuple[Problem, ...]]:
    """The policies of DestinationRules, and where there is none those of resolvers, whose subsets are added to both."""
    found = dict(rules)
    problems: list[Problem] = []
    for key, resolver in consul.items():
        rule = rules.get(key)
        if rule is None:
            found[key] = resolver.policy
            continue
        found[key] = rule.each(partial(_joined, resolver))
        for one in (rule, *(callers.policy for callers in rule.callers)):
            if not _says_nothing(one):
                problems += _shadowed(resolver, one.origin, {subset.name for subset in one.subsets})
    return found, tuple(dict.fromkeys(problems))


def _joined(resolver: Resolver, rule: TrafficPolicy) -> TrafficPolicy:
    """What a rule says, with the resolver's subsets; where no rule says anything what the resolver does."""
    if _says_nothing(rule):
        return resolver.policy
    names = {subset.name for subset in rule.subsets}
    added = tuple(subset for subset in resolver.policy.subsets if subset.name not in names)
    return msgspec.structs.replace(rule, subsets=tuple(sorted((*rule.subsets, *added), key=lambda s: s.name)))


def _says_nothing(rule: TrafficPolicy) -> bool:
    """Of the callers that it is for: what is said of others counts for itself."""
    return msgspec.structs.replace(rule, callers=()) == TrafficPolicy(namespace=rule.namespace, service=rule.service)


def _shadowed(resolver: Resolver, rule: Origin | None, names: set[str]) -> Iterator[Problem]:
    source = resolver.source
    given = {"connectTimeout": source.spec.connect_timeout, "loadBalancer": source.spec.load_balancer}
    hidden = [name for name, value in given.items() if value]
    hidden += [f"subsets[{subset.name}]" for subset in resolver.policy.subsets if subset.name in names]
    for name in hidden:
        text = f"not used: {rule} has precedence"
        yield Problem(at=source.origin(f"spec.{name}"), code="Shadowed", text=text, severity=Severity.WARNING)
