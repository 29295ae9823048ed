"""consul.hashicorp.com of Consul on Kubernetes: ServiceDefaults, every field, also those that are refused."""

from __future__ import annotations

from typing import Any

import msgspec

from tandem.model.meta import Model, Object, Status


class MeshGatewayMode(Model, frozen=True, kw_only=True):
    """spec.meshGateway."""

    mode: str = ""


class InstanceRoute(Model, frozen=True, kw_only=True):
    """instanceLevel.routes[]: one of the paths; a burst of 0 is as many as in a second."""

    path_exact: str = ""
    path_prefix: str = ""
    path_regex: str = ""
    requests_per_second: int = 0
    requests_max_burst: int = 0


class InstanceLimits(Model, frozen=True, kw_only=True):
    """rateLimits.instanceLevel: of requests that no route is about."""

    requests_per_second: int = 0
    requests_max_burst: int = 0
    routes: tuple[InstanceRoute, ...] = ()


class RateLimits(Model, frozen=True, kw_only=True):
    """spec.rateLimits."""

    instance_level: InstanceLimits = InstanceLimits()


class UpstreamLimits(Model, frozen=True, kw_only=True):
    """upstreamConfig.….limits; None: no limit."""

    max_connections: int | None = None
    max_pending_requests: int | None = None
    max_concurrent_requests: int | None = None


class PassiveHealthCheck(Model, frozen=True, kw_only=True):
    """upstreamConfig.….passiveHealthCheck; what is not given is Envoy's."""

    interval: str = ""
    max_failures: int = 0
    enforcing_consecutive_5xx: int | None = msgspec.field(default=None, name="enforcingConsecutive5xx")
    max_ejection_percent: int | None = None
    base_ejection_time: str = ""


class Upstream(Model, frozen=True, kw_only=True):
    """upstreamConfig.defaults and overrides[]."""

    name: str = ""
    namespace: str = ""
    partition: str = ""
    peer: str = ""
    envoy_listener_json: str = msgspec.field(default="", name="envoyListenerJSON")
    envoy_cluster_json: str = msgspec.field(default="", name="envoyClusterJSON")
    protocol: str = ""
    connect_timeout_ms: int = 0
    limits: UpstreamLimits | None = None
    passive_health_check: PassiveHealthCheck | None = None
    mesh_gateway: MeshGatewayMode = MeshGatewayMode()


class UpstreamConfig(Model, frozen=True, kw_only=True):
    """spec.upstreamConfig: of calls of the service's own pods, to those that are named and to all others."""

    defaults: Upstream | None = None
    overrides: tuple[Upstream, ...] = ()


class ServiceDefaultsSpec(Model, frozen=True, kw_only=True):
    """spec; what is refused as a whole is not taken apart. Times in milliseconds, 0: Consul's own."""

    protocol: str = ""
    mutual_tls_mode: str = msgspec.field(name="mutualTLSMode", default="")
    max_inbound_connections: int = 0
    local_connect_timeout_ms: int = 0
    local_request_timeout_ms: int = 0
    balance_inbound_connections: str = ""
    mesh_gateway: MeshGatewayMode = MeshGatewayMode()
    transparent_proxy: dict[str, Any] | None = None
    expose: dict[str, Any] | None = None
    external_sni: str = msgspec.field(name="externalSNI", default="")
    upstream_config: UpstreamConfig | None = None
    destination: dict[str, Any] | None = None
    rate_limits: RateLimits = RateLimits()
    envoy_extensions: tuple[dict[str, Any], ...] = ()


class ServiceDefaults(Object, frozen=True, kw_only=True):
    """consul.hashicorp.com ServiceDefaults, of the Service of its name."""

    spec: ServiceDefaultsSpec = ServiceDefaultsSpec()
    status: Status = Status()
