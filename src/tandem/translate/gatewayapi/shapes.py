"""What a route asks for, in the forms that Gateway API has; what has none is told. Pure.

String prefixes of paths become prefixes of whole segments. Prefixes of headers and parameters, "is there" and paths
without regard to case become regular expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.mesh import (
    Exact,
    HeaderMatch,
    PathPrefix,
    Prefix,
    Present,
    QueryMatch,
    Regex,
    RouteMatch,
    StringMatch,
)

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_ANY: Final = Regex(".*")
OF_MESHES: Final = frozenset(
    {"VirtualService", "ServiceRouter", "ServiceSplitter", "ServiceResolver", "ServiceProfile"}
)
"""Kinds whose routes have another form in Gateway API."""
_OF_CONSUL: Final = {
    "match": "match.http",
    "match.uri": "match.http",
    "match.uri.prefix": "match.http.pathPrefix",
    "match.withoutHeaders": "match.http.header",
    "retries.retryOn": "destination.retryOn",
    "rewrite.uri": "destination.prefixRewrite",
}
"""Fields of a ServiceRouter, by those that say the same in a VirtualService."""


class Remarks:
    """What could not be carried over (errors), and what is not quite the same (warnings); each once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def lost(self, at: Origin, path: str, text: str) -> None:
        """Something that is gone; `path` follows that of the rule."""
        self._tell(at, path, "NotCarried", text, Severity.ERROR)

    def changed(self, at: Origin, path: str, text: str) -> None:
        """Something that is there in another form."""
        self._tell(at, path, "Changed", text, Severity.WARNING)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def all(self) -> tuple[Problem, ...]:
        """In the order of objects."""
        return tuple(sorted(self._found, key=lambda p: (p.at, p.text)))

    def _tell(self, at: Origin, path: str, code: str, text: str, severity: Severity) -> None:
        if at.kind == "ServiceRouter":
            path = _OF_CONSUL.get(path, path)
        elif at.kind == "ServiceProfile" and path.startswith("match"):
            path = "condition"
        where = msgspec.structs.replace(at, path=f"{at.path}.{path}" if path else at.path)
        self._found[Problem(at=where, code=code, text=text, severity=severity)] = None


def shaped(match: RouteMatch, at: Origin, remarks: Remarks) -> RouteMatch | None:
    """One match in Gateway API's forms, ports left out; None: it has no form, and why is told."""
    if isinstance(match.path, Exact | Prefix | PathPrefix) and match.path.value and match.path.value[0] != "/":
        remarks.changed(at, "match.uri", f"no path is {match.path.value!r} or begins so: the match is left out")
        return None
    without_form = list(_without_form(match))
    for path, text in without_form:
        remarks.lost(at, path, text)
    if without_form:
        return None
    return RouteMatch(
        path=_path(match, at, remarks),
        method=match.method,
        headers=tuple(HeaderMatch(name=h.name, match=_value(h.match)) for h in match.headers),
        query=tuple(QueryMatch(name=q.name, match=_value(q.match)) for q in match.query),
    )


def _without_form(match: RouteMatch) -> Iterator[tuple[str, str]]:
    if match.source_labels or match.source_namespace is not None:
        yield "match", "who asks: Gateway API has routes for the clients of a namespace, and no other sources"
    if match.claims:
        yield "match.headers", "claims of tokens are not matched by Gateway API"
    if match.method is not None and not (isinstance(match.method, Exact) and match.method.value in METHODS):
        yield "match.method", "a method is one of the nine that Gateway API names"
    for header in match.headers:
        if header.name.startswith(":"):
            yield f"match.{header.name[1:]}", f"{header.name[1:]} is not matched for clients in the mesh"
        elif header.invert:
            yield "match.withoutHeaders", f"that a header {header.name!r} does not hold is not matched by Gateway API"


def _path(match: RouteMatch, at: Origin, remarks: Remarks) -> StringMatch | None:
    path = match.path
    if match.ignore_case and isinstance(path, Exact | Prefix):
        rest = ".*" if isinstance(path, Prefix) else ""
        return Regex(f"(?i){re.escape(path.value)}{rest}")
    if isinstance(path, Prefix):
        whole = path.value.rstrip("/")
        if whole:
            text = f"prefix {path.value!r} holds for whole segments: {whole!r} and what is below it"
            remarks.changed(at, "match.uri.prefix", text)
        return PathPrefix(whole) if whole else None
    return path


def _value(match: StringMatch) -> Exact | Regex:
    match match:
        case Exact() | Regex():
            return match
        case Prefix(value=value):
            return Regex(f"{re.escape(value)}.*")
        case Present():
            return _ANY
        case PathPrefix(value=value):
            return Regex(f"{re.escape(value)}(/.*)?")


def written(match: RouteMatch) -> dict[str, Any]:
    """HTTPRouteMatch."""
    made: dict[str, Any] = {}
    match match.path:
        case Exact(value=value):
            made["path"] = {"type": "Exact", "value": value}
        case PathPrefix(value=value):
            made["path"] = {"type": "PathPrefix", "value": value}
        case Regex(value=value):
            made["path"] = {"type": "RegularExpression", "value": value}
        case _:
            pass
    if isinstance(match.method, Exact):
        made["method"] = match.method.value
    if match.headers:
        made["headers"] = [_named(h.name, h.match) for h in match.headers]
    if match.query:
        made["queryParams"] = [_named(q.name, q.match) for q in match.query]
    return made


def _named(name: str, match: StringMatch) -> dict[str, str]:
    kind = {"type": "RegularExpression"} if isinstance(match, Regex) else {}
    return {**kind, "name": name, "value": getattr(match, "value", "")}


def lasting(ms: int) -> str:
    """A duration as Gateway API has it (GEP-2257: no more than five digits of a unit)."""
    if ms % 1000 == 0 and ms < 100_000_000:
        return f"{ms // 1000}s"
    if ms < 100_000:
        return f"{ms}ms"
    hours, rest = divmod(ms, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    parts = ((hours, "h"), (minutes, "m"), (rest // 1000, "s"), (rest % 1000, "ms"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)
