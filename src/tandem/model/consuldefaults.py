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
    upstream_config: dict[str, Any] | None = None
    destination: dict[str, Any] | None = None
    rate_limits: RateLimits = RateLimits()
    envoy_extensions: tuple[dict[str, Any], ...] = ()


class ServiceDefaults(Object, frozen=True, kw_only=True):
    """consul.hashicorp.com ServiceDefaults, of the Service of its name."""

    spec: ServiceDefaultsSpec = ServiceDefaultsSpec()
    status: Status = Status()
