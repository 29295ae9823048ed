"""trafficPolicy of a DestinationRule -> Traffic, with Problems at the exact field. Pure.

Fields are inherited one by one: those of a subset come before those of the host. What portLevelSettings leaves out is
not inherited, but Envoy's own (Istio, DestinationRule).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import msgspec

from tandem.ir.traffic import (
    ByAddress,
    ByCookie,
    ByHeader,
    ByQuery,
    HashKey,
    Keepalive,
    Limits,
    LoadBalancer,
    Outlier,
    Pool,
    PortTraffic,
    Traffic,
    Warmup,
)
from tandem.model import istio
from tandem.translate.mesh.istio.clienttls import TlsReader
from tandem.translate.mesh.istio.locality import read_locality
from tandem.translate.mesh.values import Wrong, duration

_BALANCERS: Final = {
    "": LoadBalancer.LEAST_REQUEST,
    "UNSPECIFIED": LoadBalancer.LEAST_REQUEST,
    "ROUND_ROBIN": LoadBalancer.ROUND_ROBIN,
    "LEAST_REQUEST": LoadBalancer.LEAST_REQUEST,
    "LEAST_CONN": LoadBalancer.LEAST_REQUEST,  # Istio's old name of the same
    "RANDOM": LoadBalancer.RANDOM,
}
_VERSIONS: Final = {"V1": 1, "V2": 2}
_REFUSED: Final = "not supported yet; the whole DestinationRule is not applied"


class TrafficReader:
    """Reads the policies of one DestinationRule about one host; what is wrong is told to `wrong`."""

    def __init__(self, wrong: Wrong, tls: TlsReader) -> None:
        self._wrong = wrong
        self._tls = tls

    def traffic(self, specs: tuple[tuple[istio.TrafficPolicySpec, str], ...]) -> Traffic:
        """What holds where these policies are laid on each other, the first one lowest; each with its path."""
        found = Traffic()
        for spec, at in specs:
            found = self._laid(found, spec, at)
        return found

    def ports(self, spec: istio.TrafficPolicySpec, at: str) -> tuple[PortTraffic, ...]:
        """portLevelSettings, sorted by port."""
        found: dict[int, Traffic] = {}
        for i, own in enumerate(spec.port_level_settings):
            where = f"{at}.portLevelSettings[{i}]"
            if not own.port.number:
                self._wrong(f"{where}.port", "InvalidValue", "name the port by its number")
            elif own.port.number in found:
                self._wrong(f"{where}.port", "InvalidValue", f"port {own.port.number} occurs twice")
            found[own.port.number] = self._laid(_beside(spec), own, where)
        return tuple(PortTraffic(port=port, traffic=found[port]) for port in sorted(found))

    def over(self, ports: tuple[PortTraffic, ...], spec: istio.TrafficPolicySpec, at: str) -> tuple[PortTraffic, ...]:
        """The ports of a subset: its own, and those of the host with the subset's policy laid over them."""
        own = self.ports(spec, at)
        named = {p.port for p in own}
        laid = [PortTraffic(port=p.port, traffic=self._laid(p.traffic, spec, at)) for p in ports if p.port not in named]
        return tuple(sorted((*own, *laid), key=lambda p: p.port))

    def _laid(self, under: Traffic, spec: istio.TrafficPolicySpec | istio.PortPolicySpec, at: str) -> Traffic:
        changes: dict[str, object] = {}
        if spec.load_balancer is not None:
            changes |= self._balancer(spec.load_balancer, f"{at}.loadBalancer")
        if spec.connection_pool is not None:
            changes |= read_pool(spec.connection_pool, f"{at}.connectionPool", self._wrong)
        if spec.outlier_detection is not None:
            changes["outlier"] = self._outlier(spec.outlier_detection, f"{at}.outlierDetection")
        if spec.tls is not None:
            mode, origination = self._tls.read(spec.tls, f"{at}.tls", self._wrong)
            changes |= {"tls": mode, "origination": origination}
        if isinstance(spec, istio.TrafficPolicySpec):
            if spec.tunnel:
                self._wrong(f"{at}.tunnel", "UnsupportedField", _REFUSED)
            if spec.proxy_protocol is not None:
                changes["proxy_protocol"] = _VERSIONS[spec.proxy_protocol.version]
            if spec.retry_budget is not None:
                limits = changes.get("limits", under.limits)
                changes["limits"] = self._budget(limits, spec.retry_budget, f"{at}.retryBudget")
        return msgspec.structs.replace(under, **changes)

    def _balancer(self, lb: istio.LbSettings, at: str) -> dict[str, object]:
        if lb.zone_aware_lb_setting and lb.zone_aware_lb_setting.get("enabled") is not False:
            self._wrong(f"{at}.zoneAwareLbSetting", "UnsupportedField", _REFUSED)
        if lb.simple not in _BALANCERS:
            self._wrong(f"{at}.simple", "UnsupportedField", f"{lb.simple} is {_REFUSED}")
        found: dict[str, object] = {"lb": _BALANCERS.get(lb.simple, LoadBalancer.LEAST_REQUEST), "hash": ()}
        found["table_size"] = 0
        found["warmup"] = self._warmup(lb, at)
        found["locality"] = None
        if lb.locality_lb_setting is not None:
            found["locality"] = read_locality(lb.locality_lb_setting, f"{at}.localityLbSetting", self._wrong)
        if lb.consistent_hash is not None:
            if lb.simple:
                self._wrong(f"{at}.consistentHash", "InvalidValue", "give simple or consistentHash, not both")
            found |= self._hash(lb.consistent_hash, f"{at}.consistentHash")
        return found

    def _warmup(self, lb: istio.LbSettings, at: str) -> Warmup | None:
        if lb.warmup is None and not lb.warmup_duration_secs:
            return None
        if lb.warmup is None:
            return Warmup(duration_ms=self._time(lb.warmup_duration_secs, f"{at}.warmupDurationSecs"))
        return Warmup(
            duration_ms=self._time(lb.warmup.duration, f"{at}.warmup.duration"),
            least_percent=lb.warmup.minimum_percent,
            aggression=lb.warmup.aggression,
        )

    def _hash(self, asked: istio.ConsistentHash, at: str) -> dict[str, object]:
        keys = list(self._keys(asked, at))
        if len(keys) != 1:
            text = "give one of httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName"
            self._wrong(at, "InvalidValue", text)
        if asked.maglev is not None:
            if asked.ring_hash is not None:
                self._wrong(f"{at}.maglev", "InvalidValue", "give ringHash or maglev, not both")
            return {"lb": LoadBalancer.MAGLEV, "hash": tuple(keys), "table_size": asked.maglev.table_size}
        size = asked.ring_hash.minimum_ring_size if asked.ring_hash is not None else asked.minimum_ring_size
        return {"lb": LoadBalancer.RING_HASH, "hash": tuple(keys), "table_size": size}

    def _keys(self, asked: istio.ConsistentHash, at: str) -> Iterator[HashKey]:
        if asked.http_header_name:
            yield ByHeader(name=asked.http_header_name.lower())
        if asked.http_cookie is not None:
            cookie = asked.http_cookie
            ttl = None if cookie.ttl is None else -(-self._time(cookie.ttl, f"{at}.httpCookie.ttl") // 1000)
            attributes = tuple((one.name, one.value) for one in cookie.attributes)
            yield ByCookie(name=cookie.name, path=cookie.path, ttl_s=ttl, attributes=attributes)
        if asked.use_source_ip:
            yield ByAddress()
        if asked.http_query_parameter_name:
            yield ByQuery(name=asked.http_query_parameter_name)

    def _budget(self, limits: object, asked: istio.RetryBudget, at: str) -> Limits:
        interval = self._time(asked.budget_interval, f"{at}.budgetInterval") if asked.budget_interval else 0
        under = limits if isinstance(limits, Limits) else Limits()
        fields = {"budget_percent": asked.percent, "budget_least": asked.min_retry_concurrency}
        return msgspec.structs.replace(under, **fields, budget_interval_ms=interval)

    def _outlier(self, asked: istio.OutlierDetection, at: str) -> Outlier:
        if asked.outlier_detection_http_error_codes:
            self._wrong(f"{at}.outlierDetectionHttpErrorCodes", "UnsupportedField", _REFUSED)
        local = asked.consecutive_local_origin_failures
        return Outlier(
            errors=5 if asked.consecutive_5xx_errors is None else asked.consecutive_5xx_errors,
            gateway_errors=asked.consecutive_gateway_errors or asked.consecutive_errors,
            local_errors=(5 if local is None else local) if asked.split_external_local_origin_errors else None,
            interval_ms=self._time(asked.interval, f"{at}.interval") or 10_000,
            ejection_ms=self._time(asked.base_ejection_time, f"{at}.baseEjectionTime") or 30_000,
            most_percent=asked.max_ejection_percent,
            least_healthy_percent=asked.min_health_percent,
        )

    def _time(self, text: str, at: str) -> int:
        return _time(self._wrong, text, at)


def _beside(spec: istio.TrafficPolicySpec) -> Traffic:
    """What holds for every port, whatever is said of it: no portLevelSettings say otherwise."""
    asked = spec.proxy_protocol
    return Traffic(proxy_protocol=_VERSIONS[asked.version] if asked is not None else 0)


def _time(wrong: Wrong, text: str, at: str) -> int:
    return duration(text, at, wrong, such_as="500ms or 1.5s")


def read_pool(asked: istio.ConnectionPool, at: str, wrong: Wrong) -> dict[str, object]:
    """ConnectionPool -> the fields of Traffic that it is about."""
    timed = partial(_time, wrong)
    tcp, http, ping = asked.tcp, asked.http, asked.http.http2_keep_alive
    upgrade = {"UPGRADE": True, "DO_NOT_UPGRADE": False}.get(http.h2_upgrade_policy)
    idle = http.idle_timeout or tcp.idle_timeout
    keepalive = None
    if tcp.tcp_keepalive is not None:
        kept = tcp.tcp_keepalive
        keepalive = Keepalive(
            probes=kept.probes,
            time_s=timed(kept.time, f"{at}.tcp.tcpKeepalive.time") // 1000,
            interval_s=timed(kept.interval, f"{at}.tcp.tcpKeepalive.interval") // 1000,
        )
    pool = Pool(
        keepalive=keepalive,
        connection_ms=timed(tcp.max_connection_duration, f"{at}.tcp.maxConnectionDuration"),
        idle_ms=timed(idle, f"{at}.{'http' if http.idle_timeout else 'tcp'}.idleTimeout") if idle else None,
        requests_per_connection=http.max_requests_per_connection,
        http2=None if http.use_client_protocol else upgrade,
        as_client=http.use_client_protocol,
        streams=http.max_concurrent_streams,
        ping_ms=timed(ping.interval, f"{at}.http.http2KeepAlive.interval") if ping is not None else 0,
        ping_timeout_ms=timed(ping.timeout, f"{at}.http.http2KeepAlive.timeout") if ping is not None else 0,
    )
    limits = Limits(
        connections=tcp.max_connections,
        pending=http.http1_max_pending_requests,
        requests=http.http2_max_requests,
        retries=http.max_retries,
    )
    connect = timed(tcp.connect_timeout, f"{at}.tcp.connectTimeout")
    return {"pool": pool, "limits": limits, **({"connect_timeout_ms": connect} if connect else {})}
