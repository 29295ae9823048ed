"""TrafficPolicies -> what they change of how Services are reached, with Problems per target. Pure.

Those of our own lie over those of the Gateway API (`backendtraffic.py`), and both over DestinationRules.

A target is a Service of the same namespace, or a port of it by name. A part that is given (balancer, circuit breaker …)
takes the place of the same part of DestinationRules, for their subsets too; what is not given stays. What a port has
holds in place of what its Service has. Of two at the same target the older one holds (GEP-713, conflict resolution).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.traffic import (
    ByAddress,
    ByCookie,
    ByHeader,
    ByQuery,
    HashKey,
    LoadBalancer,
    Outlier,
    PortTraffic,
    Subset,
    Traffic,
    TrafficPolicy,
    Warmup,
)
from tandem.model import trafficpolicy as model
from tandem.model.backendtraffic import XBackendTrafficPolicy
from tandem.model.core import Service
from tandem.model.schemas.rules_gateway import milliseconds
from tandem.model.world import Key, World
from tandem.translate.mesh.backendtraffic import read_standard, spec_of

_replace: Final = msgspec.structs.replace
_BALANCERS: Final = {
    "LeastRequest": LoadBalancer.LEAST_REQUEST,
    "RoundRobin": LoadBalancer.ROUND_ROBIN,
    "Random": LoadBalancer.RANDOM,
    "RingHash": LoadBalancer.RING_HASH,
    "Maglev": LoadBalancer.MAGLEV,
}


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """What holds at one Service: of the whole first, then by port."""

    whole: model.TrafficPolicy | None = None
    ports: tuple[tuple[int, model.TrafficPolicy], ...] = ()
    standard: XBackendTrafficPolicy | None = None
    """What the Gateway API's own policy says, below the others."""

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The objects that say so."""
        found = [policy for policy in (self.standard, self.whole) if policy is not None]
        return tuple(policy.origin() for policy in (*found, *(policy for _, policy in self.ports)))


class Attachments(msgspec.Struct, frozen=True, kw_only=True):
    """What holds, by Service."""

    services: Mapping[Key, Attached] = MappingProxyType({})
    problems: tuple[Problem, ...] = ()


def read_attachments(world: World) -> Attachments:
    """All TrafficPolicies of a World, each at its targets."""
    found: dict[Key, dict[int | None, model.TrafficPolicy]] = {}
    problems: list[Problem] = []
    for policy in world.oldest_first(model.TrafficPolicy):
        for i, ref in enumerate(policy.spec.target_refs):
            key, at = (policy.metadata.namespace, ref.name), f"spec.targetRefs[{i}]"
            service = world.get(Service, *key)
            port = None
            if service is None:
                text = f"no Service {'/'.join(key)}"
                problems.append(Problem(at=policy.origin(f"{at}.name"), code="TargetNotFound", text=text))
                continue
            if ref.section_name:
                port = next((p.port for p in service.spec.ports if p.name == ref.section_name), None)
                if port is None:
                    text = f"Service {'/'.join(key)} has no port named {ref.section_name!r}"
                    problems.append(Problem(at=policy.origin(f"{at}.sectionName"), code="TargetNotFound", text=text))
                    continue
            holder = found.setdefault(key, {}).setdefault(port, policy)
            if holder is not policy:
                text = f"{holder.origin()} is older and has the same target: this one does not hold there"
                problems.append(Problem(at=policy.origin(at), code="Conflicted", text=text))
                continue
            problems += _without_effect(policy, service, f"{at}.sectionName" if port is not None else "")
    standard = read_standard(world, {key: at[None] for key, at in found.items() if None in at})
    services = {
        key: _attached(found.get(key, {}), standard.services.get(key)) for key in sorted({*found, *standard.services})
    }
    return Attachments(services=services, problems=(*problems, *standard.problems))


def _attached(places: Mapping[int | None, model.TrafficPolicy], standard: XBackendTrafficPolicy | None) -> Attached:
    ports = sorted((port, policy) for port, policy in places.items() if port is not None)
    return Attached(whole=places.get(None), ports=tuple(ports), standard=standard)


def _without_effect(policy: model.TrafficPolicy, service: Service, section: str) -> Iterator[Problem]:
    if policy.spec.load_balancer is not None and service.spec.session_affinity == "ClientIP":
        text = f"Service {'/'.join(service.key)} has sessionAffinity ClientIP, which comes first"
        origin = policy.origin("spec.loadBalancer")
        yield Problem(at=origin, code="Shadowed", text=text, severity=Severity.WARNING)
    if policy.spec.session_persistence is not None and section:
        text = "sessions are those of a whole Service: they are not kept for a single port"
        yield Problem(at=policy.origin(section), code="UnsupportedValue", text=text, severity=Severity.WARNING)


def attach_traffic(policies: Mapping[Key, TrafficPolicy], attachments: Attachments) -> dict[Key, TrafficPolicy]:
    """Policies of Services after what is attached to them; `policies`: what DestinationRules say."""
    found = dict(policies)
    for key, attached in attachments.services.items():
        under = found.get(key) or TrafficPolicy(namespace=key[0], service=key[1])
        found[key] = under.each(partial(_laid, attached))
    return found


def _laid(attached: Attached, under: TrafficPolicy) -> TrafficPolicy:
    whole = attached.whole.spec if attached.whole is not None else None
    standard = spec_of(attached.standard) if attached.standard is not None else None
    for spec in (said for said in (standard, whole) if said is not None):
        under = _replace(
            under,
            traffic=_changed(under.traffic, spec),
            ports=_changed_ports(under.ports, spec),
            subsets=tuple(_changed_subset(subset, spec) for subset in under.subsets),
        )
    for port, policy in attached.ports:
        under = _at_port(under, port, policy.spec)
    return _replace(under, attached=attached.origins)


def _changed_subset(subset: Subset, spec: model.TrafficPolicySpec) -> Subset:
    traffic = _changed(subset.traffic, spec) if subset.traffic is not None else None
    return _replace(subset, traffic=traffic, ports=_changed_ports(subset.ports, spec))


def _changed_ports(ports: tuple[PortTraffic, ...], spec: model.TrafficPolicySpec) -> tuple[PortTraffic, ...]:
    return tuple(PortTraffic(port=one.port, traffic=_changed(one.traffic, spec)) for one in ports)


def _at_port(under: TrafficPolicy, port: int, spec: model.TrafficPolicySpec) -> TrafficPolicy:
    """One port more with a policy of its own; subsets that have one get it too."""

    def with_port(ports: tuple[PortTraffic, ...], traffic: Traffic) -> tuple[PortTraffic, ...]:
        own = PortTraffic(port=port, traffic=_changed(traffic, spec))
        return tuple(sorted((*(one for one in ports if one.port != port), own), key=lambda one: one.port))

    subsets = (
        _replace(subset, ports=with_port(subset.ports, under.of(port, subset)))
        if subset.traffic is not None or subset.ports
        else subset
        for subset in under.subsets
    )
    return _replace(under, ports=with_port(under.ports, under.of(port)), subsets=tuple(subsets))


def _changed(traffic: Traffic, spec: model.TrafficPolicySpec) -> Traffic:
    if spec.load_balancer is not None:
        traffic = _balanced(traffic, spec.load_balancer)
    limits = traffic.limits
    if spec.circuit_breaker is not None:
        asked = spec.circuit_breaker
        limits = _replace(
            limits,
            connections=asked.connections,
            pending=asked.pending_requests,
            requests=asked.requests,
            retries=asked.retries,
        )
    if spec.retry_budget is not None:
        budget = spec.retry_budget
        limits = _replace(
            limits,
            budget_percent=budget.percent,
            budget_least=budget.minimum_retries,
            budget_interval_ms=milliseconds(budget.interval) if budget.interval else 0,
        )
    traffic = _replace(traffic, limits=limits)
    if spec.outlier_detection is not None:
        traffic = _replace(traffic, outlier=_outlier(spec.outlier_detection))
    return _connected(traffic, spec.connections) if spec.connections is not None else traffic


def _balanced(traffic: Traffic, asked: model.Balancer) -> Traffic:
    warm = asked.warm_up
    return _replace(
        traffic,
        lb=_BALANCERS[asked.type],
        hash=tuple(map(_hash, asked.hash_by)),
        table_size=asked.table_size,
        warmup=Warmup(
            duration_ms=milliseconds(warm.duration), least_percent=warm.minimum_percent, aggression=warm.aggression
        )
        if warm is not None
        else None,
    )


def _hash(part: model.HashPart) -> HashKey:
    match part.type:
        case "Header":
            return ByHeader(name=part.name.lower())
        case "Query":
            return ByQuery(name=part.name)
        case "Cookie":
            ttl = -(-milliseconds(part.ttl) // 1000) if part.ttl else None
            return ByCookie(name=part.name, path=part.path, ttl_s=ttl)
        case _:
            return ByAddress()


def _outlier(asked: model.OutlierDetection) -> Outlier:
    return Outlier(
        errors=asked.consecutive_errors,
        gateway_errors=asked.consecutive_gateway_errors,
        local_errors=asked.consecutive_local_errors,
        interval_ms=milliseconds(asked.interval),
        ejection_ms=milliseconds(asked.rest),
        most_percent=asked.maximum_percent,
        least_healthy_percent=asked.minimum_healthy_percent,
    )


def _connected(traffic: Traffic, asked: model.Connections) -> Traffic:
    pool = _replace(
        traffic.pool,
        connection_ms=milliseconds(asked.maximum_duration),
        idle_ms=milliseconds(asked.idle_timeout) if asked.idle_timeout else None,
        requests_per_connection=asked.requests,
        streams=asked.streams,
    )
    return _replace(traffic, pool=pool, connect_timeout_ms=milliseconds(asked.connect_timeout))
