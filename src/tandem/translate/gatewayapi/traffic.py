"""What DestinationRules say of traffic -> TrafficPolicies of our own, and what has no form there. Pure.

In: the policy of one Service, and the Services that stand for it and its subsets. What holds for a port is said of that
port, whole: where ports differ there is an object for each of them, and none for the Service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, assert_never

import msgspec

from tandem.base.problems import Origin
from tandem.ir.traffic import (
    ByAddress,
    ByCookie,
    ByHeader,
    ByQuery,
    ClientTls,
    HashKey,
    Limits,
    LoadBalancer,
    Outlier,
    Pool,
    Subset,
    Traffic,
    TrafficPolicy,
    Warmup,
)
from tandem.model.core import Service
from tandem.model.meta import RawObject
from tandem.translate.gatewayapi.shapes import Remarks, lasting

_BALANCERS: Final = {
    LoadBalancer.LEAST_REQUEST: "LeastRequest",
    LoadBalancer.ROUND_ROBIN: "RoundRobin",
    LoadBalancer.RANDOM: "Random",
    LoadBalancer.RING_HASH: "RingHash",
    LoadBalancer.MAGLEV: "Maglev",
}
_PLAIN: Final = Traffic()
_DAY: Final = 86_400_000


def write_traffic(
    policy: TrafficPolicy, service: Service, subsets: Mapping[str, str], remarks: Remarks
) -> Iterator[RawObject]:
    """The objects for a Service, and for the Services that its subsets have become (`subsets`: name -> Service)."""
    yield from _of(policy, service, None, service.metadata.name, remarks)
    for subset in policy.subsets:
        if subset.name in subsets:
            yield from _of(policy, service, subset, subsets[subset.name], remarks)


def _of(
    policy: TrafficPolicy, service: Service, subset: Subset | None, name: str, remarks: Remarks
) -> Iterator[RawObject]:
    at = _origin(policy, subset)
    if at is None:
        return
    ports = {port.port: policy.of(port.port, subset) for port in service.spec.ports}
    if len(set(ports.values())) <= 1:
        traffic = next(iter(ports.values()), policy.traffic)
        yield from _object(name, service.metadata.namespace, ({"kind": "Service", "name": name}, traffic), at, remarks)
        return
    for port in service.spec.ports:
        if not port.name:
            remarks.lost(at, "portLevelSettings", f"port {port.port} of Service {name} has no name to attach it to")
            continue
        target = {"kind": "Service", "name": name, "sectionName": port.name}
        yield from _object(
            f"{name}-port-{port.port}", service.metadata.namespace, (target, ports[port.port]), at, remarks
        )


def _origin(policy: TrafficPolicy, subset: Subset | None) -> Origin | None:
    found = subset.origin if subset is not None and subset.traffic is not None else policy.origin
    if found is None:
        return None
    if found.kind == "ServiceResolver":
        return msgspec.structs.replace(found, path="spec")
    return msgspec.structs.replace(found, path=f"{found.path or 'spec'}.trafficPolicy")


def _object(
    name: str, namespace: str, said: tuple[dict[str, str], Traffic], at: Origin, remarks: Remarks
) -> Iterator[RawObject]:
    target, traffic = said
    for field, text in _without_form(traffic, consul=at.kind == "ServiceResolver"):
        remarks.lost(at, field, text)
    parts = {field: part for field, part in _parts(traffic) if part is not None}
    if parts:
        yield {
            "apiVersion": "tandem.io/v1",
            "kind": "TrafficPolicy",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"targetRefs": [target], **parts},
        }


def _without_form(traffic: Traffic, *, consul: bool) -> Iterator[tuple[str, str]]:
    pool = traffic.pool
    yield from _unbalanced(traffic, consul=consul)
    if traffic.tls is not ClientTls.AUTO:
        yield "tls", "each endpoint gets mTLS if it can: how TLS is opened is said by a DestinationRule alone"
    if traffic.proxy_protocol:
        yield "proxyProtocol", "that a connection begins with its client's address is said by a DestinationRule alone"
    if pool.keepalive is not None:
        yield "connectionPool.tcp.tcpKeepalive", "keep-alive of TCP is said by a DestinationRule alone"
    if pool.http2 is not None:
        yield "connectionPool.http", "which version of HTTP is spoken is said by the Service's appProtocol"
    if pool.ping_ms:
        yield "connectionPool.http.http2KeepAlive", "pings of HTTP/2 are said by a DestinationRule alone"


def _unbalanced(traffic: Traffic, *, consul: bool) -> Iterator[tuple[str, str]]:
    if traffic.locality is not None:
        field = "prioritizeByLocality" if consul else "loadBalancer.localityLbSetting"
        yield field, "localities are said by a DestinationRule alone"
    if traffic.choices:
        yield "loadBalancer.leastRequestConfig", "among how many the least is looked for is not said"
    if traffic.table_most:
        yield "loadBalancer.ringHashConfig.maximumRingSize", "a ring has a least size alone"
    if any(key.terminal for key in traffic.hash):
        yield "loadBalancer.hashPolicies", "all keys that are there choose together, and none ends the choice"
    for key in traffic.hash:
        if isinstance(key, ByCookie) and key.path and key.ttl_s is None:
            yield "loadBalancer.consistentHash.httpCookie.path", "a path goes with a ttl"
        if isinstance(key, ByCookie) and key.attributes:
            yield "loadBalancer.consistentHash.httpCookie.attributes", "of a cookie path and ttl are said"


def _parts(traffic: Traffic) -> Iterator[tuple[str, dict[str, Any] | None]]:
    yield "loadBalancer", _balancer(traffic)
    yield "circuitBreaker", _breaker(traffic.limits)
    yield "retryBudget", _budget(traffic.limits)
    yield "outlierDetection", _outlier(traffic.outlier)
    yield "connections", _connections(traffic.pool, traffic.connect_timeout_ms)


def _balancer(traffic: Traffic) -> dict[str, Any] | None:
    if (traffic.lb, traffic.hash, traffic.warmup) == (_PLAIN.lb, _PLAIN.hash, _PLAIN.warmup):
        return None
    made: dict[str, Any] = {"type": _BALANCERS[traffic.lb]}
    if traffic.lb in {LoadBalancer.RING_HASH, LoadBalancer.MAGLEV}:
        made["hashBy"] = [_hash(key) for key in traffic.hash]
        return made | ({"tableSize": traffic.table_size} if traffic.table_size else {})
    return made | ({"warmUp": _warm(traffic.warmup)} if traffic.warmup is not None else {})


def _hash(key: HashKey) -> dict[str, Any]:
    match key:
        case ByHeader(name=name):
            return {"type": "Header", "name": name}
        case ByQuery(name=name):
            return {"type": "Query", "name": name}
        case ByCookie(name=name, path=path, ttl_s=ttl):
            given = {} if ttl is None else {"ttl": f"{ttl}s", **({"path": path} if path else {})}
            return {"type": "Cookie", "name": name, **given}
        case ByAddress():
            return {"type": "Address"}
        case _:
            assert_never(key)


def _warm(warm: Warmup) -> dict[str, Any]:
    return {
        "duration": lasting(warm.duration_ms),
        "minimumPercent": warm.least_percent,
        "aggression": warm.aggression,
    }


def _breaker(limits: Limits) -> dict[str, Any] | None:
    given = {
        "connections": limits.connections,
        "pendingRequests": limits.pending,
        "requests": limits.requests,
        "retries": limits.retries,
    }
    return {name: value for name, value in given.items() if value is not None} or None


def _budget(limits: Limits) -> dict[str, Any] | None:
    if limits.budget_percent is None:
        return None
    within = {"interval": lasting(limits.budget_interval_ms)} if limits.budget_interval_ms else {}
    return {"percent": limits.budget_percent, "minimumRetries": limits.budget_least, **within}


def _outlier(outlier: Outlier | None) -> dict[str, Any] | None:
    if outlier is None:
        return None
    local = {} if outlier.local_errors is None else {"consecutiveLocalErrors": outlier.local_errors}
    return {
        "consecutiveErrors": outlier.errors,
        "consecutiveGatewayErrors": outlier.gateway_errors,
        **local,
        "interval": lasting(outlier.interval_ms),
        "rest": lasting(outlier.ejection_ms),
        "maximumPercent": outlier.most_percent,
        "minimumHealthyPercent": outlier.least_healthy_percent,
    }


def _connections(pool: Pool, connect_ms: int) -> dict[str, Any] | None:
    given: dict[str, Any] = {}
    if connect_ms != _PLAIN.connect_timeout_ms:
        given["connectTimeout"] = lasting(connect_ms)
    if pool.connection_ms:
        given["maximumDuration"] = lasting(min(pool.connection_ms, _DAY))
    if pool.idle_ms is not None:
        given["idleTimeout"] = lasting(pool.idle_ms)
    if pool.requests_per_connection:
        given["requests"] = pool.requests_per_connection
    if pool.streams:
        given["streams"] = pool.streams
    return given or None
