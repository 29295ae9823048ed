"""PortScope -> RouteConfiguration (RDS): the routes of a table that apply, or the one to the service itself."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, assert_never

import msgspec

from tandem.compile import names
from tandem.compile.envoy.match import route_match
from tandem.compile.envoy.proto import Json, extension, milliseconds
from tandem.compile.envoy.scope import PortScope
from tandem.ir.mesh import DEFAULT_RETRY, Backend, Forward, HeaderEdit, Respond, Retry, Route, RouteMatch
from tandem.state.xds import Resource

_MISSING: Final = {404: "NOT_FOUND", 500: "INTERNAL_SERVER_ERROR", 503: "SERVICE_UNAVAILABLE"}
"""What Envoy can answer for a backend that does not exist."""

METADATA: Final = "tandem.io"

BY_CLIENT: Final[Json] = {"hash_policy": [{"connection_properties": {"source_ip": True}}]}
"""The client's address chooses, in clusters of Services with session affinity; others do not look at it."""

_OVERWRITE: Final = "OVERWRITE_IF_EXISTS_OR_ADD"
_APPEND: Final = "APPEND_IF_EXISTS_OR_ADD"


@lru_cache(maxsize=4096)
def compile_route_config(scope: PortScope) -> Resource:
    """One virtual host for every authority: the address dialled has already decided the service.

    A table of which nothing applies to this port and these clients leaves the service as it is; where something
    applies and no match holds, the answer is 404.
    """
    routes: list[Json] = []
    used: list[Route] = []
    for route in scope.table.routes if scope.table else ():
        matches = [match for match in route.matches or (RouteMatch(),) if scope.applies(match)]
        if matches:
            used.append(route)
            routes.extend(_route(route, match, scope) for match in matches)
    if not used:
        routes = [_default(scope)]
    host = f"{scope.service.namespace}/{scope.service.name}:{scope.port.port}"
    body = {
        "name": scope.route_config,
        "virtual_hosts": [{"name": host, "domains": ["*"], "routes": routes}],
        "validate_clusters": False,
    }
    return Resource(name=scope.route_config, body=body, origins=frozenset(route.origin for route in used))


def retry_policy(retry: Retry | None) -> Json:
    """None and no attempts: no retry. A retry goes to another host where there is one."""
    if retry is None or retry.attempts <= 0:
        return {}
    policy: dict[str, Any] = {
        "retry_on": ",".join(retry.retry_on or DEFAULT_RETRY.retry_on),
        "num_retries": retry.attempts,
        "retry_host_predicate": [
            extension("previous-hosts", "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
        ],
        "host_selection_retry_max_attempts": 5,
    }
    if retry.per_try_timeout_ms:
        policy["per_try_timeout"] = milliseconds(retry.per_try_timeout_ms)
    if retry.retriable_codes:
        policy["retriable_status_codes"] = list(retry.retriable_codes)
        if "retriable-status-codes" not in retry.retry_on:
            policy["retry_on"] += ",retriable-status-codes"
    return {"retry_policy": policy}


def _default(scope: PortScope) -> Json:
    by_client = BY_CLIENT if scope.service.affinity_seconds else {}
    return {
        "name": "default",
        "match": {"prefix": "/"},
        "route": {"cluster": scope.own_cluster, "timeout": "0s", **by_client, **retry_policy(DEFAULT_RETRY)},
    }


def _route(route: Route, match: RouteMatch, scope: PortScope) -> Json:
    body: dict[str, Any] = {
        "name": route.name,
        "match": route_match(match),
        "metadata": {"filter_metadata": {METADATA: {"origin": msgspec.to_builtins(route.origin)}}},
        **_edits("request", route.request_headers),
        **_edits("response", route.response_headers),
    }
    match route.action:
        case Respond(status=status, body=text):
            body["direct_response"] = _respond(status, text)
        case Forward() as action:
            body |= _forward(route, action, scope)
        case _:
            assert_never(route.action)
    return body


def _respond(status: int, text: str) -> Json:
    return {"status": status, **({"body": {"inline_string": text}} if text else {})}


def _forward(route: Route, action: Forward, scope: PortScope) -> Json:
    backends = [backend for backend in action.backends if backend.weight > 0]
    if not backends:
        return {"direct_response": _respond(action.missing_status, "")}
    body: dict[str, Any] = {}
    if len(backends) == 1:
        body["cluster"] = _cluster(backends[0], scope)
    else:
        shares = [{"name": _cluster(backend, scope), "weight": backend.weight} for backend in backends]
        body["weighted_clusters"] = {"clusters": shares}
    body["cluster_not_found_response_code"] = _MISSING.get(action.missing_status, _MISSING[503])
    body["timeout"] = milliseconds(route.timeout_ms)
    authority = next((value for name, value in route.request_headers.set if _is_authority(name)), "")
    if authority:
        body["host_rewrite_literal"] = authority
    return {"route": {**body, **BY_CLIENT, **retry_policy(route.retry)}}


def _cluster(backend: Backend, scope: PortScope) -> str:
    port = backend.port or scope.port.port
    return names.service_cluster(backend.namespace, backend.service, port, backend.subset)


def _is_authority(name: str) -> bool:
    return name.lower() in {"host", ":authority"}


def _edits(side: str, edit: HeaderEdit) -> Json:
    """Header changes. Envoy refuses to add `host`; setting it is a rewrite in `_forward`."""
    changes = [(name, value, _OVERWRITE) for name, value in edit.set if not _is_authority(name)]
    changes += [(name, value, _APPEND) for name, value in edit.add]
    body: dict[str, Any] = {}
    if changes:
        # A percent sign would start a format command of Envoy's; values are meant literally.
        body[f"{side}_headers_to_add"] = [
            {"header": {"key": name, "value": value.replace("%", "%%")}, "append_action": action}
            for name, value, action in changes
        ]
    if edit.remove:
        body[f"{side}_headers_to_remove"] = list(edit.remove)
    return body
