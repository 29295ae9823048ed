"""DestinationRule objects -> one TrafficPolicy per Service, with Problems. Pure.

A rule with a field that is not enforced is refused as a whole. Of rules whose hosts are patterns and the host itself
the one that says most counts alone. Several rules for one host are merged as Istio does: the oldest rule's traffic
policy is used, subsets of all are joined, the first definition of a name wins.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.traffic import ClientTls, PortTraffic, Subset, Traffic, TrafficPolicy
from tandem.model.core import Service
from tandem.model.istio import DestinationRule, SubsetSpec, TrafficPolicySpec
from tandem.model.world import Key, World
from tandem.translate.mesh.context import resolve_host, service_of
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
    refused: dict[Key, DestinationRule] = {}
    for rule in world.oldest_first(DestinationRule):
        services = _meant(rule, world, options, entries)
        found = list(_mistakes(rule, services, (world, entries), options))
        problems.extend(found)
        if not any(p.severity is Severity.ERROR for p in found):
            problems.extend(idle_settings(rule))
            for service in services:
                if not _is_of_egress(service, (world, entries), options):
                    rules.setdefault(service, []).append(rule)
        elif _asks_for_tls(rule):
            refused.update((service, rule) for service in services if service not in refused)
    policies = {key: _refusing(key, rule) for key, rule in refused.items() if key in entries.hosts}
    for service, named in sorted(rules.items()):
        # The root namespace's rule is the fall-back of those that stand beside the Service (Istio).
        own = _closest([r for r in named if r.metadata.namespace == service[0]] or named)
        if service not in policies:
            policies[service] = _merge(service, own, _tls(service, own[0], (world, entries), options))
        problems.extend(_merge_problems(own))
        problems.extend(_affinity_first(world.get(Service, *service), own))
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


def _refusing(service: Key, rule: DestinationRule) -> TrafficPolicy:
    """What was to be sent in TLS to a host outside is not sent in plain text where the rule does not hold."""
    traffic = Traffic(tls=ClientTls.REFUSE)
    return TrafficPolicy(namespace=service[0], service=service[1], traffic=traffic, origin=rule.origin())


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


def _closest(rules: list[DestinationRule]) -> list[DestinationRule]:
    """Of patterns and the host itself those that say most."""
    most = max(map(_said, rules))
    return [rule for rule in rules if _said(rule) == most]


def _said(rule: DestinationRule) -> int:
    """How much its host says: more than every pattern, where it is none."""
    return len(rule.spec.host) if rule.spec.host.startswith("*") else 1000


def _affinity_first(service: Service | None, rules: list[DestinationRule]) -> Iterator[Problem]:
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


def _merge(service: Key, rules: list[DestinationRule], tls: TlsReader) -> TrafficPolicy:
    first = next((r for r in rules if r.spec.traffic_policy is not None), rules[0])
    reader = TrafficReader(lambda *_: None, tls)
    general = first.spec.traffic_policy or TrafficPolicySpec()
    ports = reader.ports(general, "")
    subsets: dict[str, Subset] = {}
    for rule in rules:
        for i, subset in enumerate(rule.spec.subsets):
            origin = rule.origin(f"spec.subsets[{i}]")
            subsets.setdefault(subset.name, _subset(subset, origin, (general, ports), reader))
    return TrafficPolicy(
        namespace=service[0],
        service=service[1],
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
    if spec.export_to and "*" not in spec.export_to:
        text = (
            'the rule would apply to clients of some namespaces alone, which is not supported: use "*" or leave it out'
        )
        yield Problem(at=rule.origin("spec.exportTo"), code="UnsupportedValue", text=text)
    if spec.workload_selector is not None:
        yield _unsupported(rule, "spec.workloadSelector")
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
    host, home = rule.spec.host, rule.metadata.namespace
    service = services[0] if services else None
    others = sorted({namespace for namespace, _ in services} - {home})
    if service is None or service_of(service, *known) is None:
        meant = f"{service[0]}/{service[1]}" if service else host
        text = f"no Service {meant}; write a Service's name, or NAME.NAMESPACE.svc.{options.cluster_domain}"
        if host.startswith("*"):
            text = f"{host} covers no Service, and no host of a ServiceEntry"
        yield Problem(at=rule.origin("spec.host"), code="HostNotFound", text=text)
    elif home != options.root_namespace and others:
        instead = f"move it to {others[0]}"
        if host.startswith("*"):
            instead = f'say "*.{home}.svc.{options.cluster_domain}", or move it to {options.root_namespace}'
        text = f"a rule in {home} would apply to clients in {home} alone, which is not supported: {instead}"
        yield Problem(at=rule.origin("spec.host"), code="UnsupportedValue", text=text)


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


def _merge_problems(rules: list[DestinationRule]) -> Iterator[Problem]:
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
