"""spec.rules[] of an HTTPRoute -> one Route per match, with Problems at the exact field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tandem.base.problems import Problem
from tandem.ir.mesh import (
    Backend,
    Exact,
    Forward,
    HeaderEdit,
    HeaderMatch,
    PathPrefix,
    QueryMatch,
    Regex,
    Respond,
    Retry,
    Route,
    RouteAction,
    RouteMatch,
    StringMatch,
)
from tandem.model import gateway
from tandem.model.gateway import BackendRef, HeaderFilter, HTTPRoute, HttpRouteMatch, HttpRouteRule
from tandem.model.world import Key
from tandem.translate.mesh.context import DEFAULT_RETRY, Context
from tandem.translate.mesh.values import header_mistake, milliseconds, regex_mistake

MISSING: Final = 500
_CONNECTION: Final = ("connect-failure", "refused-stream", "reset")


class RuleReader:
    """Reads the rules of one HTTPRoute and gathers what is wrong with them. `parents` are its parent Services."""

    def __init__(self, owner: HTTPRoute, context: Context, parents: frozenset[Key]) -> None:
        self._owner = owner
        self._context = context
        self._parents = parents
        self.problems: list[Problem] = []

    def read(self, rule: HttpRouteRule, index: int) -> Iterator[Route]:
        """The routes of `spec.rules[index]`, one for each match."""
        at = f"spec.rules[{index}]"
        action = self._action(rule, at)
        request, response = self._filters(rule, at)
        timeout_ms, retry = self._patience(rule, at)
        if rule.session_persistence is not None:
            self._wrong(f"{at}.sessionPersistence", "UnsupportedValue", "session persistence is not supported yet")
        meta = self._owner.metadata
        for j, match in enumerate(rule.matches or (HttpRouteMatch(),)):
            yield Route(
                name=f"HTTPRoute/{meta.namespace}/{meta.name}/{index}/{j}",
                matches=(self._match(match, f"{at}.matches[{j}]"),),
                action=action,
                timeout_ms=timeout_ms,
                retry=retry if isinstance(action, Forward) else None,
                request_headers=request,
                response_headers=response,
                origin=self._owner.origin(at),
            )

    def _match(self, match: HttpRouteMatch, at: str) -> RouteMatch:
        return RouteMatch(
            path=self._path(match.path, f"{at}.path"),
            method=Exact(match.method) if match.method else None,
            headers=tuple(
                HeaderMatch(name=name, match=value) for name, value in self._named(match.headers, f"{at}.headers")
            ),
            query=tuple(
                QueryMatch(name=name, match=value)
                for name, value in self._named(match.query_params, f"{at}.queryParams")
            ),
        )

    def _path(self, path: gateway.PathMatch, at: str) -> StringMatch | None:
        if not path.value.startswith("/") and path.type != "RegularExpression":
            self._wrong(f"{at}.value", "InvalidValue", f"{path.value!r} does not start with /")
        match path.type:
            case "Exact":
                return Exact(path.value)
            case "PathPrefix":  # element-wise; a trailing slash is ignored
                prefix = path.value.rstrip("/")
                return PathPrefix(prefix) if prefix else None
            case "RegularExpression":
                return self._regex(path.value, f"{at}.value")
            case other:
                self._wrong(f"{at}.type", "UnsupportedValue", f"path type {other!r} is not supported")
                return None

    def _named(
        self, matches: Sequence[gateway.HeaderMatch | gateway.QueryMatch], at: str
    ) -> list[tuple[str, StringMatch]]:
        found: dict[str, StringMatch] = {}
        for i, match in enumerate(matches):
            # Header names are case-insensitive, and only the first entry of a name counts (HTTPRoute API docs).
            name = match.name.lower() if isinstance(match, gateway.HeaderMatch) else match.name
            if match.type not in {"Exact", "RegularExpression"}:
                self._wrong(f"{at}[{i}].type", "UnsupportedValue", f"type {match.type!r} is not supported")
            exact = match.type == "Exact"
            found.setdefault(name, Exact(match.value) if exact else self._regex(match.value, f"{at}[{i}].value"))
        return list(found.items())

    def _regex(self, pattern: str, at: str) -> Regex:
        mistake = regex_mistake(pattern)
        if mistake:
            self._wrong(at, "InvalidValue", mistake)
        return Regex(pattern)

    def _action(self, rule: HttpRouteRule, at: str) -> RouteAction:
        shares = [(ref, *self._backend(ref, f"{at}.backendRefs[{j}]")) for j, ref in enumerate(rule.backend_refs)]
        used = [(backend, exists) for ref, backend, exists in shares if ref.weight > 0]
        if not used:
            return Respond(status=MISSING, body="the rule has no backend with a weight above 0")
        if not any(exists for _, exists in used):
            return Respond(status=MISSING, body="no backend of this rule exists")
        return Forward(backends=tuple(backend for backend, _ in used), missing_status=MISSING)

    def _backend(self, ref: BackendRef, at: str) -> tuple[Backend, bool]:
        """The backend, and whether it exists and may be used."""
        home = self._owner.metadata.namespace
        key = ref.namespace or home, ref.name
        backend = Backend(namespace=key[0], service=key[1], port=ref.port or 0, weight=ref.weight)
        for k, item in enumerate(ref.filters):
            text = f"filter {item.get('type', '')} of a single backend is not supported; put it on the rule"
            self._wrong(f"{at}.filters[{k}]", "UnsupportedValue", text)
        code, text = self._backend_mistake(ref, key)
        if code:
            self._wrong(at, code, f"{text}: its share is answered with {MISSING}")
            # A name that no Service can have: what may not be reached must not be reached by accident.
            return Backend(namespace=key[0], service=f"{key[1]}!{code}", port=backend.port, weight=ref.weight), False
        return backend, True

    def _backend_mistake(self, ref: BackendRef, key: Key) -> tuple[str, str]:
        if ref.group or ref.kind != "Service":
            kind = f"{ref.group}/{ref.kind}" if ref.group else ref.kind
            return "InvalidKind", f"backends of kind {kind} are not supported"
        # Whoever may dial the parent may be sent back to it; any other namespace would have to grant it.
        if key[0] != self._owner.metadata.namespace and key not in self._parents:
            return (
                "RefNotPermitted",
                f"Service {key[0]}/{key[1]} is in another namespace and no ReferenceGrant allows it",
            )
        service = self._context.service(key)
        if service is None:
            return "BackendNotFound", f"no Service {key[0]}/{key[1]}"
        if ref.port is None:
            return "BackendNotFound", f"the reference to Service {key[0]}/{key[1]} names no port"
        if ref.port not in {p.port for p in service.spec.ports}:
            return "BackendNotFound", f"Service {key[0]}/{key[1]} has no port {ref.port}"
        return "", ""

    def _filters(self, rule: HttpRouteRule, at: str) -> tuple[HeaderEdit, HeaderEdit]:
        request = response = HeaderEdit()
        for i, item in enumerate(rule.filters):
            where = f"{at}.filters[{i}]"
            if item.type == "RequestHeaderModifier" and item.request_header_modifier is not None:
                request = self._edit(item.request_header_modifier, f"{where}.requestHeaderModifier")
            elif item.type == "ResponseHeaderModifier" and item.response_header_modifier is not None:
                response = self._edit(item.response_header_modifier, f"{where}.responseHeaderModifier")
            else:
                self._wrong(f"{where}.type", "UnsupportedValue", f"filter {item.type} is not supported yet")
        return request, response

    def _edit(self, modifier: HeaderFilter, at: str) -> HeaderEdit:
        names = [(f"{at}.set[{i}]", h.name) for i, h in enumerate(modifier.set)]
        names += [(f"{at}.add[{i}]", h.name) for i, h in enumerate(modifier.add)]
        names += [(f"{at}.remove[{i}]", name) for i, name in enumerate(modifier.remove)]
        for where, name in names:
            mistake = header_mistake(name)
            if mistake:
                self._wrong(where, "UnsupportedValue", mistake)
        return HeaderEdit(
            set=tuple(sorted({h.name.lower(): h.value for h in reversed(modifier.set)}.items())),
            add=tuple(sorted((h.name.lower(), h.value) for h in modifier.add)),
            remove=tuple(sorted({n.lower() for n in modifier.remove})),
        )

    def _patience(self, rule: HttpRouteRule, at: str) -> tuple[int, Retry | None]:
        request = self._duration(rule.timeouts.request, f"{at}.timeouts.request")
        per_try = self._duration(rule.timeouts.backend_request, f"{at}.timeouts.backendRequest")
        if rule.retry is None:
            retry = DEFAULT_RETRY
        else:
            if rule.retry.backoff:
                self._wrong(f"{at}.retry.backoff", "UnsupportedValue", "backoff is not supported yet")
            codes = rule.retry.codes
            attempts = 1 if rule.retry.attempts is None else rule.retry.attempts
            on = (*_CONNECTION, "retriable-status-codes") if codes else _CONNECTION
            retry = Retry(attempts=attempts, retry_on=on, retriable_codes=codes)
        if retry.attempts <= 0:  # one try: the shorter of the two times ends it
            return min((t for t in (request, per_try) if t), default=0), None
        return request, Retry(
            attempts=retry.attempts,
            per_try_timeout_ms=per_try,
            retry_on=retry.retry_on,
            retriable_codes=retry.retriable_codes,
        )

    def _duration(self, text: str, at: str) -> int:
        value = milliseconds(text)
        if value is None:
            self._wrong(at, "InvalidValue", f"{text!r} is not a duration such as 500ms or 10s")
        return value or 0

    def _wrong(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(at=self._owner.origin(path), code=code, text=text))
