"""spec.routes[] of a ServiceRouter -> matches, and what is done beside choosing, with Problems at the field. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.mesh import (
    Exact,
    HeaderEdit,
    HeaderMatch,
    Prefix,
    Present,
    QueryMatch,
    Regex,
    Retry,
    Rewrite,
    RouteMatch,
    StringMatch,
)
from tandem.model.consulroutes import (
    RouteDestination,
    RouteHeader,
    RouteHttp,
    RouteParameter,
    ServiceRoute,
    ServiceRouter,
)
from tandem.translate.mesh.consul.resolvers import Target
from tandem.translate.mesh.consul.values import FAR, edit_of, time_of
from tandem.translate.mesh.values import read_regex

REQUEST_MS: Final = 15_000
"""Consul's time for a request, where nothing is said."""
_NOWHERE: Final = RouteDestination()


class Routed(msgspec.Struct, frozen=True, kw_only=True):
    """One route: when, where to, and how."""

    matches: tuple[RouteMatch, ...]
    target: Target
    rewrite: Rewrite = Rewrite()
    timeout_ms: int
    idle_ms: int | None
    retry: Retry | None
    request: HeaderEdit
    response: HeaderEdit
    path: str
    """Of the field."""


class RouterReader:
    """Reads one router; what is wrong with it is in `problems`."""

    def __init__(self, source: ServiceRouter) -> None:
        self._source = source
        self.problems: list[Problem] = []

    def routes(self) -> Iterator[Routed]:
        """All of them, in order."""
        for i, route in enumerate(self._source.spec.routes):
            yield self._route(route, f"spec.routes[{i}]")

    def _route(self, route: ServiceRoute, path: str) -> Routed:
        asked, at = route.destination or _NOWHERE, f"{path}.destination"
        for name, field in FAR:
            if getattr(asked, field, ""):
                self._wrong(f"{at}.{name}", "UnsupportedField", "there is one cluster here, and nothing beside it")
        home, own = self._source.key
        timeout = time_of(asked.request_timeout, f"{at}.requestTimeout", self._wrong)
        return Routed(
            matches=self._matches(route, f"{path}.match.http"),
            target=Target(asked.namespace or home, asked.service or own, asked.service_subset),
            rewrite=Rewrite(prefix=asked.prefix_rewrite or None),
            timeout_ms=REQUEST_MS if timeout is None else timeout,
            idle_ms=time_of(asked.idle_timeout, f"{at}.idleTimeout", self._wrong),
            retry=self._retry(asked, at),
            request=edit_of(asked.request_headers, f"{at}.requestHeaders", self._wrong),
            response=edit_of(asked.response_headers, f"{at}.responseHeaders", self._wrong),
            path=path,
        )

    def _matches(self, route: ServiceRoute, at: str) -> tuple[RouteMatch, ...]:
        http = route.match.http if route.match is not None else None
        if http is None:
            return ()
        match = RouteMatch(
            path=self._path(http, at),
            ignore_case=http.case_insensitive and not http.path_regex and bool(http.path_exact or http.path_prefix),
            headers=tuple(self._header(header, f"{at}.header[{i}]") for i, header in enumerate(http.header)),
            query=tuple(self._parameter(param, f"{at}.queryParam[{i}]") for i, param in enumerate(http.query_param)),
        )
        if http.methods:
            return tuple(msgspec.structs.replace(match, method=Exact(method)) for method in http.methods)
        return (match,) if match != RouteMatch() else ()

    def _path(self, http: RouteHttp, at: str) -> StringMatch | None:
        if http.path_exact:
            return Exact(http.path_exact)
        if http.path_prefix:
            return Prefix(http.path_prefix)
        return read_regex(http.path_regex, f"{at}.pathRegex", self._wrong) if http.path_regex else None

    def _header(self, asked: RouteHeader, at: str) -> HeaderMatch:
        value: StringMatch = Present()
        if asked.exact:
            value = Exact(asked.exact)
        elif asked.prefix:
            value = Prefix(asked.prefix)
        elif asked.suffix:
            value = Regex(f".*{re.escape(asked.suffix)}")
        elif asked.regex:
            value = read_regex(asked.regex, f"{at}.regex", self._wrong)
        return HeaderMatch(name=asked.name.lower(), match=value, invert=asked.invert)

    def _parameter(self, asked: RouteParameter, at: str) -> QueryMatch:
        value: StringMatch = Present()
        if asked.exact:
            value = Exact(asked.exact)
        elif asked.regex:
            value = read_regex(asked.regex, f"{at}.regex", self._wrong)
        return QueryMatch(name=asked.name, match=value)

    def _retry(self, asked: RouteDestination, at: str) -> Retry | None:
        """None: there is nothing upon which it would be tried again."""
        on = (*asked.retry_on, *(("connect-failure",) if asked.retry_on_connect_failure else ()))
        on += ("retriable-status-codes",) if asked.retry_on_status_codes else ()
        if not on:
            if asked.num_retries:
                text = "nothing is retried: give retryOn, retryOnConnectFailure or retryOnStatusCodes as well"
                origin = self._source.origin(f"{at}.numRetries")
                self.problems.append(Problem(at=origin, code="NoEffect", text=text, severity=Severity.WARNING))
            return None
        return Retry(
            attempts=asked.num_retries or 1,
            retry_on=tuple(dict.fromkeys(on)),
            retriable_codes=asked.retry_on_status_codes,
        )

    def _wrong(self, path: str, code: str, text: str) -> None:
        text = f"{text}: the whole ServiceRouter is not applied"
        self.problems.append(Problem(at=self._source.origin(path), code=code, text=text))
