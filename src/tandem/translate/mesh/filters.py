"""filters[] of a rule or backend of a route -> what they ask of a Route. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from tandem.ir.mesh import (
    Cors,
    Exact,
    HeaderEdit,
    Mirror,
    Redirect,
    Regex,
    Respond,
    Rewrite,
    RouteCheck,
    StringMatch,
)
from tandem.model.gateway import (
    CorsFilter,
    ExternalAuth,
    HeaderFilter,
    HeadersOfQuestion,
    HttpFilter,
    RequestMirror,
    RequestRedirect,
    UrlRewrite,
)
from tandem.translate.mesh.backends import BackendReader
from tandem.translate.mesh.values import Wrong, header_mistake, literal

UNASKED: Final = Respond(status=500, body="whom the rule asks about its requests does not exist")
"""In place of all that a rule does."""
OF_BACKENDS: Final = frozenset({"RequestHeaderModifier", "ResponseHeaderModifier"})
"""Types of filters that a single backend may have, of whatever route."""


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """All filters of one rule or backend."""

    request: HeaderEdit = HeaderEdit()
    response: HeaderEdit = HeaderEdit()
    redirect: Redirect | None = None
    rewrite: Rewrite | None = None
    mirrors: tuple[Mirror, ...] = ()
    cors: Cors | None = None
    check: RouteCheck | None = None
    unasked: bool = False
    """Somebody should be asked who does not exist, or may not be."""


class FilterReader:
    """Reads filters of one route and says what is wrong with them. `edge`: as they are for gateways."""

    def __init__(
        self, backends: BackendReader, wrong: Wrong, of_backends: frozenset[str] = OF_BACKENDS, *, edge: bool = False
    ) -> None:
        self._of_backends = of_backends
        self._edge = edge
        self._backends = backends
        self._wrong = wrong

    def of_rule(self, filters: Sequence[HttpFilter], at: str) -> Filters:
        """Those of a rule; `at` is its path."""
        found = Filters()
        for i, item in enumerate(filters):
            found = self._with(found, item, f"{at}.filters[{i}]")
        return found

    def of_backend(self, filters: Sequence[HttpFilter], at: str) -> Filters:
        """Those of one backend: header changes, a rewrite, a redirect in its place."""
        found = Filters()
        for i, item in enumerate(filters):
            if item.type in self._of_backends:
                found = self._with(found, item, f"{at}.filters[{i}]")
            else:
                text = f"filter {item.type} of a single backend is not supported; put it on the rule"
                self._wrong(f"{at}.filters[{i}].type", "UnsupportedValue", text)
        return found

    def _with(self, found: Filters, item: HttpFilter, at: str) -> Filters:
        changes: dict[str, object] = {}
        if item.request_header_modifier is not None:
            modifier = item.request_header_modifier
            changes["request"] = read_edit(modifier, f"{at}.requestHeaderModifier", self._wrong)
        elif item.response_header_modifier is not None:
            modifier = item.response_header_modifier
            changes["response"] = read_edit(modifier, f"{at}.responseHeaderModifier", self._wrong)
        elif item.request_redirect is not None:
            changes["redirect"] = read_redirect(item.request_redirect)
        elif item.url_rewrite is not None:
            changes["rewrite"] = _rewrite(item.url_rewrite)
        elif item.request_mirror is not None:
            changes["mirrors"] = (*found.mirrors, *self._mirror(item.request_mirror, f"{at}.requestMirror"))
        elif item.cors is not None:
            changes["cors"] = _cors(item.cors)
        elif item.external_auth is not None and self._edge and found.check is None:
            check = self._check(item.external_auth, f"{at}.externalAuth")
            changes |= {"check": check, "unasked": check is None}
        elif item.external_auth is not None:
            text = "one authorizer is asked about a request" if self._edge else "gateways ask, and clients do not"
            self._wrong(f"{at}.type", "UnsupportedValue", f"filter {item.type} is not supported here: {text}")
        else:
            self._wrong(f"{at}.type", "UnsupportedValue", f"filter {item.type} is not supported")
        return msgspec.structs.replace(found, **changes)

    def _mirror(self, mirror: RequestMirror, at: str) -> tuple[Mirror, ...]:
        backend, exists = self._backends.read(mirror.backend_ref, f"{at}.backendRef", "nothing is mirrored")
        if mirror.fraction is not None:
            share = mirror.fraction.numerator * 1_000_000 // mirror.fraction.denominator
        else:
            share = 10_000 * (100 if mirror.percent is None else mirror.percent)
        return (Mirror(backend=backend, per_million=share),) if exists and share else ()

    def _check(self, asked: ExternalAuth, at: str) -> RouteCheck | None:
        told = "requests are answered with 500"
        backend, exists = self._backends.read(asked.backend_ref, f"{at}.backendRef", told)
        config = asked.grpc or asked.http or HeadersOfQuestion()
        check = RouteCheck(
            backend=backend,
            grpc=asked.protocol == "GRPC",
            request_headers=tuple(sorted({name.lower() for name in config.allowed_headers})),
            path_prefix=config.path,
            answer_headers=tuple(sorted({name.lower() for name in config.allowed_response_headers})),
            max_body_bytes=asked.forward_body.max_size,
        )
        return check if exists else None


def read_edit(modifier: HeaderFilter, at: str, wrong: Wrong) -> HeaderEdit:
    """Changes of headers; `wrong` is told what may not be changed."""
    names = [(f"{at}.set[{i}]", h.name) for i, h in enumerate(modifier.set)]
    names += [(f"{at}.add[{i}]", h.name) for i, h in enumerate(modifier.add)]
    names += [(f"{at}.remove[{i}]", name) for i, name in enumerate(modifier.remove)]
    for where, name in names:
        mistake = header_mistake(name)
        if mistake:
            wrong(where, "UnsupportedValue", mistake)
    return HeaderEdit(
        set=tuple(sorted({h.name.lower(): literal(h.value) for h in reversed(modifier.set)}.items())),
        add=tuple(sorted((h.name.lower(), literal(h.value)) for h in modifier.add)),
        remove=tuple(sorted({n.lower() for n in modifier.remove})),
    )


def read_redirect(asked: RequestRedirect) -> Redirect:
    """Where to, and how."""
    path = asked.path
    return Redirect(
        status=asked.status_code,
        scheme=asked.scheme,
        host=asked.hostname,
        port=asked.port,
        path=path.replace_full_path if path is not None and path.type == "ReplaceFullPath" else None,
        prefix=path.replace_prefix_match if path is not None and path.type == "ReplacePrefixMatch" else None,
        by_element=path is not None and path.type == "ReplacePrefixMatch",
    )


def _rewrite(asked: UrlRewrite) -> Rewrite:
    path = asked.path
    return Rewrite(
        host=asked.hostname,
        path=path.replace_full_path if path is not None and path.type == "ReplaceFullPath" else None,
        prefix=path.replace_prefix_match if path is not None and path.type == "ReplacePrefixMatch" else None,
        by_element=path is not None and path.type == "ReplacePrefixMatch",
    )


def _cors(asked: CorsFilter) -> Cors:
    return Cors(
        origins=tuple(_origin(origin) for origin in asked.allow_origins),
        methods=asked.allow_methods,
        headers=asked.allow_headers,
        expose=asked.expose_headers,
        max_age_s=asked.max_age,
        credentials=asked.allow_credentials,
        forward_unmatched=False,
    )


def _origin(text: str) -> StringMatch:
    """`*` alone is every origin; within a host it stands for one or more characters of it."""
    if text == "*" or "*" not in text:
        return Exact(text)
    return Regex(".+".join(re.escape(part) for part in text.split("*")))
