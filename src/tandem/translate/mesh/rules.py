"""spec.rules[] of an HTTPRoute -> one Route per match, with Problems at the exact field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from tandem.base.problems import Problem
from tandem.ir.mesh import (
    Backend,
    Exact,
    Forward,
    HeaderMatch,
    PathPrefix,
    QueryMatch,
    Regex,
    Respond,
    Retry,
    Rewrite,
    Route,
    RouteAction,
    RouteMatch,
    Session,
    StringMatch,
)
from tandem.model import gateway
from tandem.model.gateway import BackendRef, HTTPRoute, HttpRouteMatch, HttpRouteRule
from tandem.model.world import Key
from tandem.translate.mesh.backends import BackendReader
from tandem.translate.mesh.context import DEFAULT_RETRY, Context
from tandem.translate.mesh.filters import FilterReader, Filters
from tandem.translate.mesh.values import duration, regex_mistake

MISSING: Final = 500
SESSION: Final = "Tandem-Session"
"""The cookie or header of a session where the route names none."""
_CONNECTION: Final = ("connect-failure", "refused-stream", "reset")


class RuleReader:
    """Reads the rules of one HTTPRoute and gathers what is wrong with them. `parents` are its parent Services."""

    def __init__(self, owner: HTTPRoute, context: Context, parents: frozenset[Key]) -> None:
        self._owner = owner
        self.problems: list[Problem] = []
        self._backends = BackendReader(owner, context, parents, self.problems)
        self._filters = FilterReader(self._backends, self._wrong)

    def read(self, rule: HttpRouteRule, index: int) -> Iterator[Route]:
        """The routes of `spec.rules[index]`, one for each match."""
        at = f"spec.rules[{index}]"
        filters = self._filters.of_rule(rule.filters, at)
        action = self._action(rule, filters, at)
        timeout_ms, retry = self._patience(rule, at)
        meta = self._owner.metadata
        for j, match in enumerate(rule.matches or (HttpRouteMatch(),)):
            yield Route(
                name=f"HTTPRoute/{meta.namespace}/{meta.name}/{index}/{j}",
                matches=(self._match(match, f"{at}.matches[{j}]"),),
                action=action,
                timeout_ms=timeout_ms,
                retry=retry if isinstance(action, Forward) else None,
                request_headers=filters.request,
                response_headers=filters.response,
                mirrors=filters.mirrors if isinstance(action, Forward) else (),
                cors=filters.cors,
                session=self._session(rule, f"{at}.sessionPersistence") if isinstance(action, Forward) else None,
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

    def _action(self, rule: HttpRouteRule, filters: Filters, at: str) -> RouteAction:
        if filters.redirect is not None:
            return filters.redirect
        shares = [self._share(ref, f"{at}.backendRefs[{j}]") for j, ref in enumerate(rule.backend_refs)]
        used = [(backend, exists) for backend, exists in shares if backend.weight > 0]
        if not used:
            return Respond(status=MISSING, body="the rule has no backend with a weight above 0")
        if not any(exists for _, exists in used):
            return Respond(status=MISSING, body="no backend of this rule exists")
        return Forward(
            backends=tuple(backend for backend, _ in used), missing_status=MISSING, rewrite=filters.rewrite or Rewrite()
        )

    def _share(self, ref: BackendRef, at: str) -> tuple[Backend, bool]:
        """A backend with its weight and its own filters, and whether it exists and may be used."""
        backend, exists = self._backends.read(ref, at, f"its share is answered with {MISSING}")
        filters = self._filters.of_backend(ref.filters, at)
        return (
            msgspec.structs.replace(
                backend, weight=ref.weight, request_headers=filters.request, response_headers=filters.response
            ),
            exists,
        )

    def _patience(self, rule: HttpRouteRule, at: str) -> tuple[int, Retry | None]:
        request = self._duration(rule.timeouts.request, f"{at}.timeouts.request")
        per_try = self._duration(rule.timeouts.backend_request, f"{at}.timeouts.backendRequest")
        if rule.retry is None:
            retry = DEFAULT_RETRY
        else:
            codes = rule.retry.codes
            attempts = 1 if rule.retry.attempts is None else rule.retry.attempts
            on = (*_CONNECTION, "retriable-status-codes") if codes else _CONNECTION
            backoff = self._duration(rule.retry.backoff, f"{at}.retry.backoff")
            retry = Retry(attempts=attempts, retry_on=on, retriable_codes=codes, backoff_ms=backoff)
        if retry.attempts <= 0:  # one try: the shorter of the two times ends it
            return min((t for t in (request, per_try) if t), default=0), None
        return request, msgspec.structs.replace(retry, per_try_timeout_ms=per_try)

    def _session(self, rule: HttpRouteRule, at: str) -> Session | None:
        asked = rule.session_persistence
        if asked is None:
            return None
        absolute = self._duration(asked.absolute_timeout, f"{at}.absoluteTimeout")
        if asked.type == "Header":
            return Session(header=asked.header.name if asked.header is not None else SESSION.lower())
        permanent = asked.cookie.lifetime_type == "Permanent"
        return Session(
            cookie=asked.cookie.name or SESSION,
            path=asked.cookie.path or "/",
            absolute_s=-(-absolute // 1000) if permanent else 0,
        )

    def _duration(self, text: str, at: str) -> int:
        return duration(text, at, self._wrong, such_as="500ms or 10s")

    def _wrong(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(at=self._owner.origin(path), code=code, text=text))
