"""Traffic -> the fields of a cluster that spread, limit and watch connections. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, assert_never

from tandem.compile.envoy.proto import LIMITS, Json, any_of, milliseconds
from tandem.ir.fabric import AppProtocol
from tandem.ir.traffic import (
    ByAddress,
    ByCookie,
    ByHeader,
    ByQuery,
    ClientTls,
    HashKey,
    Limits,
    LoadBalancer,
    Pool,
    Traffic,
)

_MANY: Final = 4_294_967_295
_OPTIONS: Final = "extensions.upstreams.http.v3.HttpProtocolOptions"


def spreading(traffic: Traffic) -> Json:
    """How an endpoint is chosen."""
    body: dict[str, Any] = {"lb_policy": traffic.lb.value}
    slow = traffic.warmup
    start: dict[str, Any] = {}
    if slow is not None:
        aggression = {"default_value": slow.aggression, "runtime_key": "tandem.warmup"}
        start = {
            "slow_start_config": {
                "slow_start_window": milliseconds(slow.duration_ms),
                "aggression": aggression,
                "min_weight_percent": {"value": slow.least_percent},
            }
        }
    match traffic.lb:
        case LoadBalancer.RING_HASH if traffic.table_size or traffic.table_most:
            sizes = {"minimum_ring_size": traffic.table_size, "maximum_ring_size": traffic.table_most}
            body["ring_hash_lb_config"] = {name: size for name, size in sizes.items() if size}
        case LoadBalancer.MAGLEV if traffic.table_size:
            body["maglev_lb_config"] = {"table_size": traffic.table_size}
        case LoadBalancer.ROUND_ROBIN if start:
            body["round_robin_lb_config"] = start
        case LoadBalancer.LEAST_REQUEST if start or traffic.choices:
            body["least_request_lb_config"] = {
                **({"choice_count": traffic.choices} if traffic.choices else {}),
                **start,
            }
        case _:
            pass
    return body


def limiting(limits: Limits) -> Json:
    """Circuit breakers; without a limit none of Envoy's own."""
    if limits == Limits():
        return {"circuit_breakers": LIMITS}
    threshold: dict[str, Any] = {
        "max_connections": _or_many(limits.connections),
        "max_pending_requests": _or_many(limits.pending),
        "max_requests": _or_many(limits.requests),
        "max_retries": _or_many(limits.retries),
    }
    if limits.budget_percent is not None:
        budget = {"value": limits.budget_percent}
        threshold["retry_budget"] = {"budget_percent": budget, "min_retry_concurrency": limits.budget_least}
        if limits.budget_interval_ms:
            threshold["retry_budget"]["budget_interval"] = milliseconds(limits.budget_interval_ms)
    return {"circuit_breakers": {"thresholds": [threshold]}}


def watching(traffic: Traffic) -> Json:
    """Outlier detection, and what share of endpoints must be left; success rates eject nobody (as in Istio).

    Where localities have portions, they are weighed before one of their endpoints is chosen.
    """
    outlier, near = traffic.outlier, traffic.by_locality
    weighed: Json = {"locality_weighted_lb_config": {}} if near is not None and near.distribute else {}
    if outlier is None:
        return {"common_lb_config": {"healthy_panic_threshold": {"value": 0}, **weighed}}
    body: dict[str, Any] = {
        "interval": milliseconds(outlier.interval_ms),
        "base_ejection_time": milliseconds(outlier.ejection_ms),
        "max_ejection_percent": outlier.most_percent,
        "enforcing_success_rate": 0,
        "consecutive_5xx": max(outlier.errors, 1),
        "enforcing_consecutive_5xx": 100 if outlier.errors else 0,
        "consecutive_gateway_failure": max(outlier.gateway_errors, 1),
        "enforcing_consecutive_gateway_failure": 100 if outlier.gateway_errors else 0,
    }
    if outlier.longest_ms:
        body["max_ejection_time"] = milliseconds(outlier.longest_ms)
    if outlier.local_errors is not None:
        body |= {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": max(outlier.local_errors, 1),
            "enforcing_consecutive_local_origin_failure": 100 if outlier.local_errors else 0,
            "enforcing_local_origin_success_rate": 0,
        }
    threshold = {"healthy_panic_threshold": {"value": outlier.least_healthy_percent}, **weighed}
    return {"outlier_detection": body, "common_lb_config": threshold}


def keeping(pool: Pool) -> Json:
    """TCP keep-alive."""
    if pool.keepalive is None:
        return {}
    kept = {
        "keepalive_probes": pool.keepalive.probes,
        "keepalive_time": pool.keepalive.time_s,
        "keepalive_interval": pool.keepalive.interval_s,
    }
    return {"upstream_connection_options": {"tcp_keepalive": {k: v for k, v in kept.items() if v}}}


def speaking(app: AppProtocol, traffic: Traffic, *, translated: bool = False) -> Json:
    """HTTP towards the endpoints: as the client speaks, or HTTP/2 where the port or the pool says so.

    A host that is none of ours says in TLS which it speaks; a wildcard is called as requests call it.
    `translated`: what the client speaks is the gateway's affair, and endpoints are spoken to in HTTP/1.1.
    """
    pool, originates = traffic.pool, traffic.tls in {ClientTls.SIMPLE, ClientTls.MUTUAL}
    if not (app.is_http or (app is AppProtocol.DETECTED and not originates)):
        return {}
    common: dict[str, Any] = {}
    if pool.idle_ms is not None:
        common["idle_timeout"] = milliseconds(pool.idle_ms)
    if pool.connection_ms:
        common["max_connection_duration"] = milliseconds(pool.connection_ms)
    if pool.requests_per_connection:
        common["max_requests_per_connection"] = pool.requests_per_connection
    http2 = _http2(pool)
    always = pool.http2 if pool.http2 is not None else app in {AppProtocol.HTTP2, AppProtocol.GRPC}
    options: dict[str, Any] = {"common_http_protocol_options": common} if common else {}
    if always:
        options["explicit_http_config"] = {"http2_protocol_options": http2}
    elif pool.http2 is False or translated:
        options["explicit_http_config"] = {"http_protocol_options": {}}
    elif originates:
        options["auto_config"] = {"http_protocol_options": {}, "http2_protocol_options": http2}
    else:
        both = {"http_protocol_options": {}, "http2_protocol_options": http2}
        options["use_downstream_protocol_config"] = both
    if originates and "*" in traffic.origination.server_name:
        verified = (
            {} if traffic.origination.alt_names or traffic.origination.unverified else {"auto_san_validation": True}
        )
        options["upstream_http_protocol_options"] = {"auto_sni": True, **verified}
    return {"typed_extension_protocol_options": {f"envoy.{_OPTIONS}": any_of(_OPTIONS, options)}}


def wants_http1(app: AppProtocol, pool: Pool) -> bool:
    """Whether servers get HTTP/1.1 (but gRPC): the port says no more than http, and nobody asks for another version."""
    return app is AppProtocol.HTTP and pool.http2 is None and not pool.as_client


def alpn(app: AppProtocol, pool: Pool, *, translated: bool = False) -> tuple[str, ...]:
    """What of HTTP is offered in TLS to a host that is none of ours: what `speaking` can speak; nothing for bytes."""
    if not app.is_http:
        return ()
    if pool.http2 or (pool.http2 is None and app is not AppProtocol.HTTP):
        return ("h2",)
    return ("http/1.1",) if translated or pool.http2 is False else ("h2", "http/1.1")


def hash_policies(keys: Sequence[HashKey]) -> list[Json]:
    """What of a request chooses the endpoint."""
    return [{**_chosen_by(key), **({"terminal": True} if key.terminal else {})} for key in keys]


def _chosen_by(key: HashKey) -> Json:
    match key:
        case ByHeader(name=name):
            return {"header": {"header_name": name}}
        case ByQuery(name=name):
            return {"query_parameter": {"name": name}}
        case ByAddress():
            return {"connection_properties": {"source_ip": True}}
        case ByCookie(name=name, path=path, ttl_s=ttl, attributes=attributes):
            given: dict[str, Any] = {} if ttl is None else {"ttl": f"{ttl}s"}
            if attributes:
                given["attributes"] = [{"name": called, "value": value} for called, value in attributes]
            return {"cookie": {"name": name, **({"path": path} if path else {}), **given}}
        case _:
            assert_never(key)


def _http2(pool: Pool) -> Json:
    body: dict[str, Any] = {"max_concurrent_streams": pool.streams} if pool.streams else {}
    if pool.ping_ms:
        timeout = milliseconds(pool.ping_timeout_ms or pool.ping_ms)
        body["connection_keepalive"] = {"interval": milliseconds(pool.ping_ms), "timeout": timeout}
    return body


def _or_many(limit: int | None) -> int:
    return _MANY if limit is None else limit
