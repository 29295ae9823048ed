"""What a route does with a request, as fields of an HTTPRoute's rule; what has none is told. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.base.problems import Origin
from tandem.ir.mesh import (
    DEFAULT_RETRY,
    DIALLED,
    Backend,
    Cors,
    Exact,
    Forward,
    HeaderEdit,
    Mirror,
    PathPrefix,
    Redirect,
    Respond,
    Retry,
    Rewrite,
    Route,
    RouteMatch,
)
from tandem.translate.gatewayapi.shapes import Remarks, lasting
from tandem.translate.mesh.values import plain

GROUP: Final = "gateway.networking.k8s.io"
GONE: Final = "!gone"
"""At the end of a Service's name in routes of bytes: it is not there, and its share is closed."""
NOWHERE: Final = "?"
"""In place of a subset in routes of requests: there is no such Service, port or subset."""
_CODES: Final = {"5xx": (500, 501, 502, 503, 504), "gateway-error": (502, 503, 504)}
_ALWAYS: Final = frozenset({"connect-failure", "refused-stream", "reset", "reset-before-request"})
"""What Gateway API's retries are about in any case."""


class Writer:
    """Writes rules of one route object, of the namespace `home`, for requests to `port` (0: of any)."""

    def __init__(self, home: str, port: int, remarks: Remarks) -> None:
        self._home = home
        self._port = port
        self._remarks = remarks
        self.backends: set[tuple[str, str]] = set()
        """(namespace, Service) of all that requests or their copies go to."""

    def rule(self, route: Route, matches: tuple[RouteMatch, ...]) -> dict[str, Any]:
        """All of a rule but its matches."""
        filters = list(self._filters(route, matches))
        made: dict[str, Any] = {"filters": filters} if filters else {}
        action = route.action
        if isinstance(action, Forward):
            made["backendRefs"] = [self._backend(b, weighted=len(action.backends) > 1) for b in action.backends]
            made |= self._patience(route)
        elif isinstance(action, Respond):
            text = f"answered with {action.status} and nothing else: such requests are answered with 500"
            self._remarks.lost(route.origin, "", text)
        return made

    def _backend(self, backend: Backend, *, weighted: bool) -> dict[str, Any]:
        made = self._target(backend)
        if weighted:
            made["weight"] = backend.weight
        filters = [*_modifier("Request", backend.request_headers), *_modifier("Response", backend.response_headers)]
        return made | ({"filters": filters} if filters else {})

    def _target(self, backend: Backend) -> dict[str, Any]:
        self.backends.add((backend.namespace, name_of(backend)))
        made: dict[str, Any] = {"name": name_of(backend), "port": backend.port or self._port}
        return made if backend.namespace == self._home else {**made, "namespace": backend.namespace}

    def _filters(self, route: Route, matches: tuple[RouteMatch, ...]) -> Iterator[dict[str, Any]]:
        for name in _put_together(route):
            text = f"the value of {name} is put together of a request: Gateway API has texts alone"
            self._remarks.lost(route.origin, "headers", text)
        yield from _modifier("Request", route.request_headers)
        yield from _modifier("Response", route.response_headers)
        if isinstance(route.action, Redirect):
            yield {"type": "RequestRedirect", "requestRedirect": self._redirect(route.action, matches, route.origin)}
        elif isinstance(route.action, Forward):
            rewrite = self._rewrite(route.action, matches, route.origin)
            if rewrite:
                yield {"type": "URLRewrite", "urlRewrite": rewrite}
        for mirror in route.mirrors:
            yield {"type": "RequestMirror", "requestMirror": self._mirror(mirror, route.origin)}
        if route.cors is not None:
            yield {"type": "CORS", "cors": self._cors(route.cors, route.origin)}

    def _redirect(self, asked: Redirect, matches: tuple[RouteMatch, ...], at: Origin) -> dict[str, Any]:
        made: dict[str, Any] = {"statusCode": asked.status}
        if asked.scheme:
            made["scheme"] = asked.scheme
        if asked.host:
            made["hostname"] = asked.host
        if asked.port > 0:
            made["port"] = asked.port
        elif asked.port == DIALLED:
            self._remarks.lost(at, "redirect.derivePort", "the port that was dialled is not kept with another scheme")
        path = self._path(asked, matches, at, "redirect.prefixRewrite")
        return made | ({"path": path} if path else {})

    def _rewrite(self, action: Forward, matches: tuple[RouteMatch, ...], at: Origin) -> dict[str, Any]:
        asked = action.rewrite
        if asked.regex is not None:
            self._remarks.lost(at, "rewrite.uriRegexRewrite", "paths are not rewritten by regular expressions")
        path = self._path(asked, matches, at, "rewrite.uri")
        made: dict[str, Any] = {"hostname": asked.host} if asked.host else {}
        return made | ({"path": path} if path else {})

    def _path(
        self, asked: Redirect | Rewrite, matches: tuple[RouteMatch, ...], at: Origin, field: str
    ) -> dict[str, str]:
        if asked.path is not None:
            return {"type": "ReplaceFullPath", "replaceFullPath": asked.path}
        prefix = asked.prefix
        if prefix is None:
            return {}
        if all(isinstance(m.path, Exact) for m in matches):
            return {"type": "ReplaceFullPath", "replaceFullPath": prefix}
        # In place of the first `/` alone, what ends in one leaves it between elements.
        rooted = asked.by_element or prefix.endswith("/")
        if all(rooted if m.path is None else isinstance(m.path, PathPrefix) for m in matches):
            return {"type": "ReplacePrefixMatch", "replacePrefixMatch": prefix}
        self._remarks.lost(at, field, "a prefix is replaced where all matches of the rule are about prefixes")
        return {}

    def _mirror(self, mirror: Mirror, at: Origin) -> dict[str, Any]:
        if mirror.shadow:
            self._remarks.changed(at, "mirror", "the copy's host is that of the request, without -shadow")
        made: dict[str, Any] = {"backendRef": self._target(mirror.backend)}
        if mirror.per_million % 10_000:
            return made | {"fraction": {"numerator": mirror.per_million, "denominator": 1_000_000}}
        return made if mirror.per_million == 1_000_000 else made | {"percent": mirror.per_million // 10_000}

    def _cors(self, cors: Cors, at: Origin) -> dict[str, Any]:
        origins = [o.value for o in cors.origins if isinstance(o, Exact)]
        if len(origins) < len(cors.origins):
            self._remarks.lost(at, "corsPolicy.allowOrigins", "origins are exact, or have a wildcard for a host's name")
        lists = {
            "allowOrigins": origins,
            "allowMethods": list(cors.methods),
            "allowHeaders": list(cors.headers),
            "exposeHeaders": list(cors.expose),
        }
        made: dict[str, Any] = {name: value for name, value in lists.items() if value}
        if cors.credentials:
            made["allowCredentials"] = True
        return made | ({"maxAge": cors.max_age_s} if cors.max_age_s else {})

    def _patience(self, route: Route) -> dict[str, Any]:
        retry = route.retry
        if route.idle_ms is not None:
            self._remarks.lost(route.origin, "destination.idleTimeout", "how long a request may be silent is not said")
        times = {"request": route.timeout_ms, "backendRequest": retry.per_try_timeout_ms if retry is not None else 0}
        given = {name: lasting(ms) for name, ms in times.items() if ms}
        made: dict[str, Any] = {"timeouts": given} if given else {}
        if retry is None:
            return made | {"retry": {"attempts": 0}}
        plain = Retry(attempts=retry.attempts, retry_on=retry.retry_on, retriable_codes=retry.retriable_codes)
        if plain != DEFAULT_RETRY or retry.backoff_ms:
            made["retry"] = self._retry(retry, route.origin)
        if retry.previous_hosts or retry.other_localities:
            self._remarks.lost(route.origin, "retries", "which hosts a retry may go to is left to the implementation")
        return made

    def _retry(self, retry: Retry, at: Origin) -> dict[str, Any]:
        codes = dict.fromkeys(retry.retriable_codes if "retriable-status-codes" in retry.retry_on else ())
        for on in retry.retry_on:
            codes |= dict.fromkeys(_CODES.get(on, ()))
            if on not in _CODES and on not in _ALWAYS and on != "retriable-status-codes":
                self._remarks.lost(at, "retries.retryOn", f"{on}: retries are about connections and status codes")
        made: dict[str, Any] = {"attempts": retry.attempts}
        if codes:
            made["codes"] = sorted(codes)
        return made | ({"backoff": lasting(retry.backoff_ms)} if retry.backoff_ms else {})


def name_of(backend: Backend) -> str:
    """The Service that stands for a backend: a subset has one of its own. What is not there has none, as before."""
    return backend.service if backend.subset in {"", NOWHERE} else f"{backend.service}-{backend.subset}"


def _put_together(route: Route) -> Iterator[str]:
    """The headers whose values are no texts."""
    edits = [route.request_headers, route.response_headers]
    for backend in route.action.backends if isinstance(route.action, Forward) else ():
        edits += (backend.request_headers, backend.response_headers)
    yield from (name for edit in edits for name, value in (*edit.set, *edit.add) if plain(value) is None)


def _modifier(which: str, edit: HeaderEdit) -> Iterator[dict[str, Any]]:
    made: dict[str, Any] = {}
    for field, pairs in (("set", edit.set), ("add", edit.add)):
        known = [{"name": name, "value": text} for name, value in pairs if (text := plain(value)) is not None]
        if known:
            made[field] = known
    if edit.remove:
        made["remove"] = list(edit.remove)
    if made:
        yield {"type": f"{which}HeaderModifier", f"{which.lower()}HeaderModifier": made}
