"""What a route does with its requests -> Envoy's route, redirect and direct response actions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from tandem.compile import names
from tandem.compile.envoy.failed import heard
from tandem.compile.envoy.headers import authority_of, edits, joined
from tandem.compile.envoy.pool import hash_policies
from tandem.compile.envoy.proto import Json, extension, fraction, milliseconds
from tandem.compile.envoy.scope import PortScope
from tandem.ir.mesh import (
    AS_ASKED,
    DEFAULT_RETRY,
    DIALLED,
    Backend,
    Forward,
    HeaderEdit,
    Mirror,
    PathPrefix,
    Prefix,
    Redirect,
    Retry,
    Rewrite,
    Route,
    RouteMatch,
)

_MISSING: Final = {404: "NOT_FOUND", 500: "INTERNAL_SERVER_ERROR", 503: "SERVICE_UNAVAILABLE"}
"""What Envoy can answer for a backend that does not exist."""
_REDIRECTS: Final = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
_PORTS: Final = {"http": 80, "https": 443}

BY_CLIENT: Final[Json] = {"hash_policy": [{"connection_properties": {"source_ip": True}}]}
"""The client's address chooses, in clusters of Services with session affinity; others do not look at it."""


def respond(status: int, text: str = "", *, encoded: str = "") -> Json:
    """A direct response; `encoded`: bytes in place of a text, in base64."""
    body = {"inline_bytes": encoded} if encoded else {"inline_string": text}
    return {"status": status, **({"body": body} if encoded or text else {})}


def redirect(action: Redirect, match: RouteMatch, dialled: int, *, here: str = "http") -> Json:
    """A redirect; without a port of its own it leads to the port of a scheme that it names (Gateway API).

    `here`: the scheme of the request. A scheme's well-known port is left out where the client has written none either.
    """
    body: dict[str, Any] = {"response_code": _REDIRECTS[action.status]}
    if action.scheme:
        body["scheme_redirect"] = action.scheme
    if action.host:
        body["host_redirect"] = action.host
    port = dialled if action.port == DIALLED else action.port or _PORTS.get(action.scheme, 0)
    if port and port != AS_ASKED and (port != _PORTS.get(action.scheme or here) or dialled != _PORTS[here]):
        body["port_redirect"] = port
    if action.path is not None:
        body["path_redirect"] = action.path
    elif action.prefix is not None:
        body |= _prefix(action.prefix, match, by_element=action.by_element)
    return body


def forward(route: Route, action: Forward, match: RouteMatch, scope: PortScope) -> Json:
    """A route to one cluster or several; without a share above 0 the answer of a backend that is missing."""
    backends = _shares(action)
    if not backends:
        return {"direct_response": respond(action.missing_status)}
    body: dict[str, Any] = {}
    if len(backends) == 1 and not _edited_apart(action):
        body["cluster"] = cluster_of(backends[0], scope)
    else:
        body["weighted_clusters"] = {"clusters": [_share(route, action, backend, scope) for backend in backends]}
    body["cluster_not_found_response_code"] = _MISSING.get(action.missing_status, _MISSING[503])
    body["timeout"] = milliseconds(route.timeout_ms)
    if route.idle_ms is not None:
        body["idle_timeout"] = milliseconds(route.idle_ms)
    body |= _rewrite(action.rewrite, match)
    authority = action.rewrite.host or authority_of(route.request_headers)
    if authority:
        body["host_rewrite_literal"] = authority
    if route.mirrors:
        body["request_mirror_policies"] = [_mirror(mirror, scope) for mirror in route.mirrors]
    used = [_shared(backend, scope) for backend in backends]
    chosen = len(used) == 1 and bool(dict(scope.hashes).get(used[0]))
    return {"route": {**body, **by_hash(scope, used), **retry_policy(route.retry, chosen=chosen)}}


def by_hash(scope: PortScope, clusters: Iterable[str]) -> Json:
    """What of a request chooses an endpoint of these clusters; others do not look at it."""
    known = dict(scope.hashes)
    keys = dict.fromkeys(key for cluster in clusters for key in known.get(cluster, ()))
    return {"hash_policy": hash_policies(tuple(keys))} if keys else BY_CLIENT


def route_edits(route: Route) -> Json:
    """The header changes of a route, unless its shares carry them: Envoy makes those of a share before the route's."""
    if isinstance(route.action, Forward) and _edited_apart(route.action):
        return {}
    return {**edits("request", route.request_headers), **edits("response", route.response_headers)}


def cluster_of(backend: Backend, scope: PortScope) -> str:
    """The cluster of a backend; one that names no port is asked at the port that was dialled."""
    return scope.sends_by(_shared(backend, scope))


def _shared(backend: Backend, scope: PortScope) -> str:
    port = backend.port or scope.port.port
    return names.service_cluster(backend.namespace, backend.service, port, backend.subset)


def retry_policy(retry: Retry | None, *, chosen: bool = False) -> Json:
    """None and no attempts: no retry. A retry goes to another host where there is one.

    `chosen`: a hash of the request has chosen the host, and it stays there if nothing else was said (Istio).
    """
    if retry is None or retry.attempts <= 0:
        return {}
    on = retry.retry_on or DEFAULT_RETRY.retry_on
    told = heard(on)
    policy: dict[str, Any] = {
        "retry_on": ",".join(dict.fromkeys((*on, *(("retriable-headers",) if told else ())))),
        "num_retries": retry.attempts,
        **told,
    }
    if not (chosen if retry.previous_hosts is None else retry.previous_hosts):
        policy["retry_host_predicate"] = [
            extension("previous-hosts", "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
        ]
        policy["host_selection_retry_max_attempts"] = 5
    if retry.other_localities:
        policy["retry_priority"] = extension(
            "previous-priorities",
            "extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            {"update_frequency": 2},
        )
    if retry.per_try_timeout_ms:
        policy["per_try_timeout"] = milliseconds(retry.per_try_timeout_ms)
    if retry.backoff_ms:
        policy["retry_back_off"] = {"base_interval": milliseconds(retry.backoff_ms)}
    if retry.retriable_codes:
        policy["retriable_status_codes"] = list(retry.retriable_codes)
        if "retriable-status-codes" not in retry.retry_on:
            policy["retry_on"] += ",retriable-status-codes"
    return {"retry_policy": policy}


def _shares(action: Forward) -> list[Backend]:
    """The backends that get any requests."""
    return [backend for backend in action.backends if backend.weight > 0]


def _edited_apart(action: Forward) -> bool:
    """Some share has header changes of its own: then each share carries those of the route as well."""
    plain = (HeaderEdit(), HeaderEdit())
    return any((backend.request_headers, backend.response_headers) != plain for backend in _shares(action))


def _share(route: Route, action: Forward, backend: Backend, scope: PortScope) -> Json:
    request = response = HeaderEdit()
    if _edited_apart(action):
        request = joined(route.request_headers, backend.request_headers)
        response = joined(route.response_headers, backend.response_headers)
    authority = authority_of(backend.request_headers)
    return {
        "name": cluster_of(backend, scope),
        "weight": backend.weight,
        **edits("request", request),
        **edits("response", response),
        **({"host_rewrite_literal": authority} if authority else {}),
    }


def _mirror(mirror: Mirror, scope: PortScope) -> Json:
    return {
        "cluster": scope.sends_by(_shared(mirror.backend, scope), copies=True),
        "runtime_fraction": {"default_value": fraction(mirror.per_million)},
        **({} if mirror.shadow else {"disable_shadow_host_suffix_append": True}),
    }


def _rewrite(rewrite: Rewrite, match: RouteMatch) -> Json:
    if rewrite.path is not None:
        return _regex("^/.*$", _literal(rewrite.path))
    if rewrite.regex is not None:
        return _regex(*rewrite.regex)
    return {} if rewrite.prefix is None else _prefix(rewrite.prefix, match, by_element=rewrite.by_element)


def _prefix(replacement: str, match: RouteMatch, *, by_element: bool) -> Json:
    """In place of the prefix that matched. Element-wise prefixes never leave two slashes or none between elements."""
    path = match.path or (PathPrefix("/") if by_element else Prefix("/"))
    value = getattr(path, "value", "")
    if not isinstance(path, PathPrefix):
        return {"prefix_rewrite": replacement} if replacement else _regex(f"^{re.escape(value)}/*", "/")
    stem, put = value.rstrip("/"), replacement.rstrip("/")
    if not put:
        return _regex(f"^{re.escape(stem)}/*", "/")
    return {"prefix_rewrite": put} if stem else _regex("^/", _literal(f"{put}/"))


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\")


def _regex(pattern: str, substitution: str) -> Json:
    return {"regex_rewrite": {"pattern": {"regex": pattern}, "substitution": substitution}}
