"""Istio's MeshConfig, the part that is read here: extensionProviders that authorize (mesh.istio.io/v1alpha1)."""

from __future__ import annotations

import msgspec

from tandem.model.meta import Model


class CheckBody(Model, frozen=True, kw_only=True):
    """EnvoyExternalAuthorizationRequestBody: how much of a request's body is sent along."""

    max_request_bytes: int = 0
    allow_partial_message: bool = False
    pack_as_bytes: bool = False


class GrpcProvider(Model, frozen=True, kw_only=True):
    """EnvoyExternalAuthorizationGrpcProvider; `service` is `[NAMESPACE/]HOST`."""

    service: str
    port: int
    timeout: str = ""
    fail_open: bool = False
    clear_route_cache: bool = False
    status_on_error: str = ""
    include_request_body_in_check: CheckBody | None = None


class HttpProvider(GrpcProvider, frozen=True, kw_only=True):
    """EnvoyExternalAuthorizationHttpProvider; names of headers may be `a*`, `*a` or `*`."""

    path_prefix: str = ""
    include_headers_in_check: tuple[str, ...] = ()
    """The former name of the next."""
    include_request_headers_in_check: tuple[str, ...] = ()
    include_additional_headers_in_check: dict[str, str] = {}
    headers_to_upstream_on_allow: tuple[str, ...] = ()
    headers_to_downstream_on_deny: tuple[str, ...] = ()
    headers_to_downstream_on_allow: tuple[str, ...] = ()


class Provider(Model, frozen=True, kw_only=True):
    """ExtensionProvider, of the two kinds that authorize."""

    name: str
    http: HttpProvider | None = msgspec.field(name="envoyExtAuthzHttp", default=None)
    grpc: GrpcProvider | None = msgspec.field(name="envoyExtAuthzGrpc", default=None)
