"""DestinationRule objects -> one TrafficPolicy per Service, for everybody and for some callers, with Problems. Pure.

A rule with a field that is not enforced is refused as a whole. Which rules hold for whom is said by `callers.py`.
Several that hold for the same callers are merged as Istio does: the oldest rule's traffic policy is used, subsets of
all are joined, the first definition of a name wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from tandem.base.problems import ObjectKey, Origin, Problem, Severity
from tandem.ir.traffic import CallersPolicy, ClientTls, PortTraffic, Subset, Traffic, TrafficPolicy
from tandem.model.core import Service
from tandem.model.istio import DestinationRule, SubsetSpec, TrafficPolicySpec
from tandem.model.world import Key, World
from tandem.translate.mesh.context import resolve_host, service_of
from tandem.translate.mesh.istio.callers import Lookup
from tandem.translate.mesh.istio.clienttls import TlsReader
from tandem.translate.mesh.istio.egressgateways import is_service_of
from tandem.translate.mesh.istio.locality import idle_settings
from tandem.translate.mesh.istio.serviceentry import NO_ENTRIES, Entries, app_of
from tandem.translate.mesh.istio.traffic import TrafficReader
from tandem.translate.options import Options
from tandem.translate.trust import trusted_domains


class DestinationRules(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic policies by (namespace, service)."""

    policies: dict[Key, TrafficPolicy]
    problems: tuple[Problem, ...]


def translate_destination_rules(world: World, options: Options, entries: Entries = NO_ENTRIES) -> DestinationRules:
    """The traffic policy of every Service, and of every host of a ServiceEntry, that an accepted rule names."""
    problems: list[Problem] = []
    rules: dict[Key, list[DestinationRule]] = {}
    refused: set[ObjectKey] = set()
    for rule in world.oldest_first(DestinationRule):
        services = _meant(rule, world, options, entries)
        found = list(_mistakes(rule, services, (world, entries), options))
        problems.extend(found)
        if any(p.severity is Severity.ERROR for p in found):
            refused.add((rule.kind, *rule.key))
            # What was to be sent in TLS to a host outside is not sent in plain text where the rule does not hold.
            services = tuple(key for key in services if key in entries.hosts) if _asks_for_tls(rule) else ()
        else:
            problems.extend(idle_settings(rule))
            services = tuple(key for key in services if not _is_of_egress(key, (world, entries), options))
        for service in services:
            rules.setdefault(service, []).append(rule)
    policies: dict[Key, TrafficPolicy] = {}
    for service, named in sorted(rules.items()):
        lookup = Lookup(named, service, options.root_namespace)
        read = _Merge(service, (world, entries), options, refused)
        callers = [
            CallersPolicy(namespace=group.namespace, labels=group.labels, policy=read.policy(group.rules))
            for group in lookup.groups()
        ]
        whole = read.policy(lookup.everybody())
        if callers or whole.origin is not None:
            policies[service] = msgspec.structs.replace(whole, callers=tuple(callers))
        problems.extend(read.problems)
    # What a pattern is told of each Service is told once.
    return DestinationRules(policies=policies, problems=tuple(dict.fromkeys(problems)))


def _meant(rule: DestinationRule, world: World, options: Options, entries: Entries) -> tuple[Key, ...]:
    """The Service of its host, or the Services and the hosts of ServiceEntries that a pattern is about."""
    host, home = rule.spec.host.lower(), rule.metadata.namespace
    service = resolve_host(host, home, options.cluster_domain)
    if service is not None:
        return (service,)
    inside = _below(host, world, options) if host.startswith("*") else ()
    return (*inside, *entries.covered(host, home))


def _below(pattern: str, world: World, options: Options) -> tuple[Key, ...]:
    """Every Service whose full name a pattern (`*`, `*.local`, `*.shop.svc.cluster.local`) covers."""
    end = pattern.removeprefix("*")
    named = ((s.metadata.namespace, s.metadata.name) for s in world.sorted(Service))
    return tuple((home, name) for home, name in named if f"{name}.{home}.svc.{options.cluster_domain}".endswith(end))


def _is_of_egress(service: Key, known: tuple[World, Entries], options: Options) -> bool:
    """Whether the egress gateway is meant, which is no Service here."""
    return is_service_of(service, options) and service_of(service, *known) is None


def _asks_for_tls(rule: DestinationRule) -> bool:
    policies = [rule.spec.traffic_policy, *(subset.traffic_policy for subset in rule.spec.subsets)]
    asked = [p.tls for p in policies if p is not None] + [
        own.tls for p in policies if p is not None for own in p.port_level_settings
    ]
    return any(tls is not None and tls.mode not in {"", "DISABLE"} for tls in asked)


def _tls(service: Key, rule: DestinationRule, known: tuple[World, Entries], options: Options) -> TlsReader:
    world, entries = known
    entry, home = entries.hosts.get(service), rule.metadata.namespace
    domains = trusted_domains(world, options)
    if entry is None:
        name = f"{service[1]}.{service[0]}.svc.{options.cluster_domain}"
        return TlsReader(world=world, namespace=home, domains=domains, server_name=name)
    return TlsReader(
        world=world,
        namespace=home,
        domains=domains,
        server_name=service[1],
        alt_names=entry.spec.subject_alt_names,
        bytes_too=not all(app_of(port).is_http for port in entry.spec.ports),
    )


def _affinity_first(service: Service | None, rules: Sequence[DestinationRule]) -> Iterator[Problem]:
    if service is None or service.spec.session_affinity != "ClientIP":
        return
    for rule in rules:
        named = [("spec.trafficPolicy", rule.spec.traffic_policy)]
        named += [(f"spec.subsets[{i}].trafficPolicy", s.traffic_policy) for i, s in enumerate(rule.spec.subsets)]
        for at, policy in named:
            if policy is not None and policy.load_balancer is not None:
                text = "the Service has sessionAffinity ClientIP, which comes first"
                origin = rule.origin(f"{at}.loadBalancer")
                yield Problem(at=origin, code="Shadowed", text=text, severity=Severity.WARNING)


class _Merge:
    """What rules for the same callers come to for one Service; what is told of them is in `problems`."""

    def __init__(
        self, service: Key, known: tuple[World, Entries], options: Options, refused: AbstractSet[ObjectKey]
    ) -> None:
        self._service, self._known, self._options, self._refused = service, known, options, refused
        self.problems: list[Problem] = []

    def policy(self, rules: Sequence[DestinationRule]) -> TrafficPolicy:
        """Of none: what holds without any. With one that is refused nothing is sent."""
        namespace, name = self._service
        if not rules:
            return TrafficPolicy(namespace=namespace, service=name)
        for rule in rules:
            if (rule.kind, *rule.key) in self._refused:
                closed = Traffic(tls=ClientTls.REFUSE)
                return TrafficPolicy(namespace=namespace, service=name, traffic=closed, origin=rule.origin())
        self.problems += _merge_problems(rules)
        self.problems += _affinity_first(self._known[0].get(Service, *self._service), rules)
        return self._merged(rules)

    def _merged(self, rules: Sequence[DestinationRule]) -> TrafficPolicy:
        first = next((r for r in rules if r.spec.traffic_policy is not None), rules[0])
        reader = TrafficReader(lambda *_: None, _tls(self._service, rules[0], self._known, self._options))
        general = first.spec.traffic_policy or TrafficPolicySpec()
        ports = reader.ports(general, "")
        subsets: dict[str, Subset] = {}
        for rule in rules:
            for i, subset in enumerate(rule.spec.subsets):
                origin = rule.origin(f"spec.subsets[{i}]")
                subsets.setdefault(subset.name, _subset(subset, origin, (general, ports), reader))
        return TrafficPolicy(
            namespace=self._service[0],
            service=self._service[1],
            traffic=reader.traffic(((general, ""),)),
            ports=ports,
            subsets=tuple(subsets[name] for name in sorted(subsets)),
            origin=first.origin(),
        )


def _subset(
    subset: SubsetSpec, origin: Origin, under: tuple[TrafficPolicySpec, tuple[PortTraffic, ...]], reader: TrafficReader
) -> Subset:
    """`under`: the policy of the host and of its ports."""
    labels, own = tuple(sorted(subset.labels.items())), subset.traffic_policy
    if own is None:
        return Subset(name=subset.name, labels=labels, origin=origin)
    traffic = reader.traffic(((under[0], ""), (own, "")))
    return Subset(name=subset.name, labels=labels, traffic=traffic, ports=reader.over(under[1], own, ""), origin=origin)


def _mistakes(
    rule: DestinationRule, services: tuple[Key, ...], known: tuple[World, Entries], options: Options
) -> Iterator[Problem]:
    spec, service = rule.spec, services[0] if services else None
    if service is not None and _is_of_egress(service, known, options):
        text = "nothing lies between a pod's proxy and the egress gateway: what the rule says of the way is not done"
        yield Problem(at=rule.origin("spec.host"), code="NoEffect", text=text, severity=Severity.WARNING)
        return
    yield from _wrong_host(rule, services, known, options)
    yield from _unheard(rule, services, options)
    seen: set[str] = set()
    for i, subset in enumerate(spec.subsets):
        if subset.name in seen:
            text = f"subset {subset.name!r} is defined twice"
            yield Problem(at=rule.origin(f"spec.subsets[{i}].name"), code="InvalidValue", text=text)
        seen.add(subset.name)
    # What may be said of a host depends on whether it is a Service: a pattern that covers both is read as each.
    asked = {key in known[1].hosts: key for key in reversed(services)}
    for key in asked.values() or (("", ""),):
        yield from _mistakes_of_policies(rule, _tls(key, rule, known, options))


def _wrong_host(
    rule: DestinationRule, services: tuple[Key, ...], known: tuple[World, Entries], options: Options
) -> Iterator[Problem]:
    host, service = rule.spec.host, services[0] if services else None
    if service is None or service_of(service, *known) is None:
        meant = f"{service[0]}/{service[1]}" if service else host
        text = f"no Service {meant}; write a Service's name, or NAME.NAMESPACE.svc.{options.cluster_domain}"
        if host.startswith("*"):
            text = f"{host} covers no Service, and no host of a ServiceEntry"
        yield Problem(at=rule.origin("spec.host"), code="HostNotFound", text=text)


def _unheard(rule: DestinationRule, services: tuple[Key, ...], options: Options) -> Iterator[Problem]:
    """Callers look beside themselves, beside the Service and in the root namespace: of others they hear nothing."""
    home, to = rule.metadata.namespace, set(rule.spec.export_to)
    others = sorted(to - {".", "*", home})
    if home == options.root_namespace or not others or any(namespace == home for namespace, _ in services):
        return
    beside = "callers look for rules beside themselves, beside the Service and in " + options.root_namespace
    text = f"{beside}: callers in {', '.join(others)} do not see it"
    yield Problem(at=rule.origin("spec.exportTo"), code="NoEffect", text=text, severity=Severity.WARNING)


def _mistakes_of_policies(rule: DestinationRule, tls: TlsReader) -> Iterator[Problem]:
    if rule.spec.traffic_policy is not None:
        yield from _policy_mistakes(rule, rule.spec.traffic_policy, "spec.trafficPolicy", tls)
    for i, subset in enumerate(rule.spec.subsets):
        if subset.traffic_policy is not None:
            yield from _policy_mistakes(rule, subset.traffic_policy, f"spec.subsets[{i}].trafficPolicy", tls)


def _policy_mistakes(rule: DestinationRule, spec: TrafficPolicySpec, at: str, tls: TlsReader) -> list[Problem]:
    found: list[Problem] = []
    reader = TrafficReader(
        lambda path, code, text: found.append(Problem(at=rule.origin(path), code=code, text=text)), tls
    )
    reader.traffic(((spec, at),))
    reader.ports(spec, at)
    return found


def _unsupported(rule: DestinationRule, path: str) -> Problem:
    text = "not supported yet; the whole DestinationRule is not applied"
    return Problem(at=rule.origin(path), code="UnsupportedField", text=text)


def _merge_problems(rules: Sequence[DestinationRule]) -> Iterator[Problem]:
    defined: dict[str, DestinationRule] = {}
    policy = next((r for r in rules if r.spec.traffic_policy is not None), None)
    for rule in rules:
        if rule is not rules[0]:
            text = f"merged with the older {rules[0].origin()} for the same host"
            yield Problem(at=rule.origin(), code="Merged", text=text, severity=Severity.WARNING)
        if rule.spec.traffic_policy is not None and policy is not None and rule is not policy:
            text = f"not used: {policy.origin()} is older and has a trafficPolicy for the same host"
            yield Problem(at=rule.origin("spec.trafficPolicy"), code="Shadowed", text=text, severity=Severity.WARNING)
        for i, subset in enumerate(rule.spec.subsets):
            first = defined.setdefault(subset.name, rule)
            if first is not rule:
                text = f"subset {subset.name!r} is not used: {first.origin()} is older and defines it"
                at = rule.origin(f"spec.subsets[{i}]")
                yield Problem(at=at, code="Shadowed", text=text, severity=Severity.WARNING)
