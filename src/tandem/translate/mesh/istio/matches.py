"""HTTPMatchRequest -> RouteMatch, with Problems at the exact field. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from tandem.base.problems import Problem, Severity
from tandem.ir.mesh import ClaimMatch, Exact, HeaderMatch, Prefix, Present, QueryMatch, RouteMatch, StringMatch
from tandem.model import istio
from tandem.model.istio import VirtualService
from tandem.translate.mesh.istio.delegates import MESH
from tandem.translate.mesh.values import read_regex

_CLAIM: Final = "@request.auth.claims"
_BRACKETS: Final = re.compile(r"(?:\[[^\[\]]+\])+")
_ANYTHING: Final = "*"
"""In place of a regular expression of withoutHeaders: the header may not be there, whatever it says."""
_NOT_HEADERS: Final = frozenset({"uri", "scheme", "method", "authority"})
_PARTS: Final = frozenset({":method", ":path", ":authority", ":scheme"})
"""Of a request, that may be named as its headers are (RFC 9113, 8.3.1)."""


class MatchReader:
    """Reads the matches of one VirtualService and gathers what is wrong with them."""

    def __init__(self, owner: VirtualService) -> None:
        self._owner = owner
        self.problems: list[Problem] = []

    def read(self, match: istio.HttpMatch, at: str) -> RouteMatch:
        """One element of `match`; `at` is its field path."""
        if match.stat_prefix:
            text = "requests are counted by their route, under its name"
            origin = self._owner.origin(f"{at}.statPrefix")
            self.problems.append(Problem(at=origin, code="NoEffect", text=text, severity=Severity.WARNING))
        headers = [
            *self._pseudo(":authority", match.authority, f"{at}.authority"),
            *self._pseudo(":scheme", match.scheme, f"{at}.scheme"),
            *self._headers(match.headers, f"{at}.headers", invert=False),
            *self._headers(match.without_headers, f"{at}.withoutHeaders", invert=True),
        ]
        query = [
            QueryMatch(name=k, match=self._string(v, f"{at}.queryParams[{k}]") or Present())
            for k, v in sorted(match.query_params.items())
        ]
        return RouteMatch(
            path=self._string(match.uri, f"{at}.uri"),
            ignore_case=match.ignore_uri_case and match.uri is not None and match.uri.regex is None,
            method=self._string(match.method, f"{at}.method"),
            headers=tuple(headers),
            claims=(
                *self._claims(match, match.headers, f"{at}.headers", invert=False),
                *self._claims(match, match.without_headers, f"{at}.withoutHeaders", invert=True),
            ),
            query=tuple(query),
            ports=(match.port,) if match.port else (),
            # Of a match that names gateways (`mesh` is one) nothing else about sources counts (Istio).
            source_namespace=None if match.gateways else match.source_namespace or None,
            source_labels=() if match.gateways else tuple(sorted(match.source_labels.items())),
        )

    def _pseudo(self, name: str, match: istio.StringMatch | None, at: str) -> tuple[HeaderMatch, ...]:
        found = self._string(match, at)
        return (HeaderMatch(name=name, match=found),) if found is not None else ()

    def _headers(self, matches: Mapping[str, istio.StringMatch], at: str, *, invert: bool) -> list[HeaderMatch]:
        found = []
        for name, match in sorted(matches.items()):
            if name.lower() in _NOT_HEADERS or (name.startswith(":") and name not in _PARTS):
                text = f"{name!r} is not matched as a header; use a field of the match, or one of {sorted(_PARTS)}"
                self._wrong(f"{at}[{name}]", "InvalidValue", text)
            if name.startswith("@"):
                continue
            anything = invert and match.regex == _ANYTHING
            value = Present() if anything else self._string(match, f"{at}[{name}]") or Present()
            found.append(HeaderMatch(name=name.lower(), match=value, invert=invert))
        return found

    def _claims(
        self, match: istio.HttpMatch, matches: Mapping[str, istio.StringMatch], at: str, *, invert: bool
    ) -> Iterator[ClaimMatch]:
        """`@request.auth.claims.a.b`, or `…claims[a][b]` for names with dots in them."""
        names = match.gateways or self._owner.spec.gateways
        for name, wanted in sorted(matches.items()):
            if not name.startswith("@"):
                continue
            path = _claim(name)
            if not path:
                self._wrong(
                    f"{at}[{name}]", "InvalidValue", f"{name!r} names no claim: {_CLAIM}.NAME or {_CLAIM}[NAME]"
                )
            elif not names or MESH in names:
                text = "claims are known where a token is judged: at gateways and at the pod that is called, and not at"
                self._wrong(f"{at}[{name}]", "UnsupportedValue", f"{text} its clients: name gateways alone")
            value = self._string(wanted, f"{at}[{name}]") or Present()
            yield ClaimMatch(claim=path, match=value, invert=invert)

    def _string(self, match: istio.StringMatch | None, at: str) -> StringMatch | None:
        """None where nothing is asked of the value: the caller knows whether it must be there."""
        if match is None:
            return None
        given = [f for f in ("exact", "prefix", "regex") if getattr(match, f) is not None]
        if len(given) > 1:
            self._wrong(at, "InvalidValue", f"use one of {', '.join(given)}")
        if match.regex is not None:
            return read_regex(match.regex, f"{at}.regex", self._wrong)
        if match.prefix is not None:
            return Prefix(match.prefix)
        return Exact(match.exact) if match.exact is not None else None

    def _wrong(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(at=self._owner.origin(path), code=code, text=text))


def _claim(name: str) -> tuple[str, ...]:
    """Empty for what names none."""
    rest = name.removeprefix(_CLAIM)
    if name.startswith(_CLAIM) and _BRACKETS.fullmatch(rest):
        return tuple(rest[1:-1].split("]["))
    parts = tuple(rest[1:].split("."))
    return parts if name.startswith(f"{_CLAIM}.") and all(parts) else ()
