"""Whom a gateway's route asks about its requests (ExternalAuth of HTTPRoutes, GEP-1494), for routes that ask. Pure.

What a route may say of `ext_authz` in Envoy does not cover which headers go along. So its place in the chain is a
composite filter, of which the route says what it is: `ext_authz`, with a configuration of its own.
"""

from __future__ import annotations

from typing import Any, Final

from tandem.compile.envoy.complement import all_but
from tandem.compile.envoy.filters.external import TYPE, grpc_service, patterns, server
from tandem.compile.envoy.proto import Json, any_of, extension
from tandem.ir.mesh import Exact, RouteCheck

NAME: Final = "envoy.filters.http.composite"
_TYPE: Final = "extensions.filters.http.composite.v3."
_MATCHER: Final = "extensions.common.matching.v3."
_PATIENCE_MS: Final = 10_000
"""Gateway API has no field for it: as long as a connection may take to be made."""
_OWN: Final = ("host", "connection", "date", "keep-alive", "server", "te", "trailer", "transfer-encoding", "upgrade")
_OWN_PREFIXES: Final = (":", "content-", "proxy-", "x-envoy-")
"""What describes the answer itself, its body and its connection, and is not told to the backend."""


def disabled() -> Json:
    """Its place in the chain."""
    composite = extension(NAME, f"{_TYPE}Composite")
    return extension(NAME, f"{_MATCHER}ExtensionWithMatcher", {"extension_config": composite, "xds_matcher": {}})


def of(check: RouteCheck, cluster: str) -> Json:
    """What a route has in that place. `cluster`: by which the gateway reaches who is asked."""
    asks = extension("ask", TYPE, _fields(check, cluster))
    action = extension("ask", f"{_TYPE}ExecuteFilterAction", {"typed_config": asks})
    matcher = {"xds_matcher": {"on_no_match": {"action": action}}}
    return any_of(f"{_MATCHER}ExtensionWithMatcherPerRoute", matcher)


def _fields(check: RouteCheck, cluster: str) -> Json:
    body = {"max_request_bytes": check.max_body_bytes, "pack_as_bytes": check.grpc}
    return {
        "transport_api_version": "V3",
        "status_on_error": {"code": 403},
        **(grpc_service(check.backend, cluster, _PATIENCE_MS) if check.grpc else _http(check, cluster)),
        **({"allowed_headers": _named(check.request_headers)} if check.request_headers else {}),
        **({"with_request_body": body} if check.max_body_bytes else {}),
    }


def _http(check: RouteCheck, cluster: str) -> Json:
    rest = {"patterns": [{"safe_regex": {"regex": all_but(_OWN, _OWN_PREFIXES)}}]}
    told = _named(check.answer_headers) if check.answer_headers else rest
    service: dict[str, Any] = {
        **server(check.backend, cluster, _PATIENCE_MS),
        "authorization_response": {"allowed_upstream_headers": told},
    }
    if check.path_prefix:
        service["path_prefix"] = check.path_prefix
    return {"http_service": service}


def _named(headers: tuple[str, ...]) -> Json:
    return patterns(tuple(map(Exact, headers)))
