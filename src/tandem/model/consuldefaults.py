"""consul.hashicorp.com of Consul on Kubernetes: ServiceDefaults, every field, also those that are refused."""

from __future__ import annotations

from typing import Any

import msgspec

from tandem.model.meta import Model, Object, Status


class MeshGatewayMode(Model, frozen=True, kw_only=True):
    """spec.meshGateway."""

    mode: str = ""


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
    rate_limits: dict[str, Any] | None = None
    envoy_extensions: tuple[dict[str, Any], ...] = ()


class ServiceDefaults(Object, frozen=True, kw_only=True):
    """consul.hashicorp.com ServiceDefaults, of the Service of its name."""

    spec: ServiceDefaultsSpec = ServiceDefaultsSpec()
    status: Status = Status()
