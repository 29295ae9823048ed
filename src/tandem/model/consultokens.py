"""consul.hashicorp.com of Consul on Kubernetes: JWTProvider, every field, also those that are refused."""

from __future__ import annotations

from typing import Any

import msgspec

from tandem.model.meta import Model, Object, Status


class LocationHeader(Model, frozen=True, kw_only=True):
    """locations[].header; `forward`: the application is given it, too."""

    name: str = ""
    value_prefix: str = ""
    forward: bool = False


class LocationName(Model, frozen=True, kw_only=True):
    """locations[].queryParam and cookie."""

    name: str = ""


class JwtLocation(Model, frozen=True, kw_only=True):
    """locations[]: one of them."""

    header: LocationHeader | None = None
    query_param: LocationName | None = None
    cookie: LocationName | None = None


class JwtForwarding(Model, frozen=True, kw_only=True):
    """spec.forwarding: the header in which the application is told the payload."""

    header_name: str = ""
    pad_forward_payload_header: bool = False


class LocalKeys(Model, frozen=True, kw_only=True):
    """jsonWebKeySet.local: one of them; `jwks` is base64."""

    jwks: str = ""
    filename: str = ""


class KeysCluster(Model, frozen=True, kw_only=True):
    """remote.jwksCluster: how Consul's own proxies dial it."""

    discovery_type: str = ""
    connect_timeout: str = ""
    tls_certificates: dict[str, Any] | None = None


class RemoteKeys(Model, frozen=True, kw_only=True):
    """jsonWebKeySet.remote; 0 and "": Consul's own time."""

    uri: str = ""
    request_timeout_ms: int = 0
    cache_duration: str = ""
    fetch_asynchronously: bool = False
    use_sni: bool = msgspec.field(name="UseSNI", default=False)
    retry_policy: dict[str, Any] | None = None
    jwks_cluster: KeysCluster | None = None


class JsonWebKeySet(Model, frozen=True, kw_only=True):
    """spec.jsonWebKeySet: one of them."""

    local: LocalKeys | None = None
    remote: RemoteKeys | None = None


class TokenCache(Model, frozen=True, kw_only=True):
    """spec.cacheConfig: of so many tokens the verdict is kept."""

    size: int = 0


class JWTProviderSpec(Model, frozen=True, kw_only=True):
    """spec; `clock_skew_seconds` 0: 30."""

    json_web_key_set: JsonWebKeySet | None = msgspec.field(name="jsonWebKeySet", default=None)
    issuer: str = ""
    audiences: tuple[str, ...] = ()
    locations: tuple[JwtLocation, ...] = ()
    forwarding: JwtForwarding | None = None
    clock_skew_seconds: int = 0
    cache_config: TokenCache = TokenCache()


class JWTProvider(Object, frozen=True, kw_only=True):
    """consul.hashicorp.com JWTProvider: whose tokens intentions may ask for."""

    spec: JWTProviderSpec = JWTProviderSpec()
    status: Status = Status()
