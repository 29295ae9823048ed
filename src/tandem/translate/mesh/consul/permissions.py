"""permissions[] of a source of ServiceIntentions -> what they ask of a request, with Problems at the field. Pure.

Tokens are asked for by what allows. What denies does so with a token and without one, as in a Consul that denies by
default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from tandem.ir.authz import Attribute, Contains, Requirement, Requirements, Suffix, Text
from tandem.ir.mesh import Exact, Prefix, Present, Regex
from tandem.model.consul import HeaderPermission, HttpPermission, IntentionPermission, JwtRequirement
from tandem.translate.mesh.consul.tokens import Tokens
from tandem.translate.mesh.values import Wrong, read_regex

ALLOW: Final = "allow"
ReadTokens = Callable[[JwtRequirement, str, Wrong], Tokens]
"""What is asked of tokens at a path; `Wrong` is told where nobody's can be valid."""


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """What one asks of a request (nothing: it is about each), and what becomes of it then."""

    allows: bool
    asks: Requirements
    tokens: Tokens | None = None
    """Of one that allows; None: it asks for none."""
    path: str
    """Of the field."""

    @property
    def ways(self) -> tuple[Requirements, ...]:
        """One of them must hold."""
        return (self.asks,) if self.tokens is None else tuple((*self.asks, *way) for way in self.tokens.ways)


def read_permissions(
    given: tuple[IntentionPermission, ...], at: str, wrong: Wrong, tokens: ReadTokens
) -> tuple[Permission, ...]:
    """Those that can be judged, in order. Of the others an allowance is left out, and a denial is about everything."""
    return tuple(_read(given, at, wrong, tokens))


def _read(given: tuple[IntentionPermission, ...], at: str, wrong: Wrong, tokens: ReadTokens) -> Iterator[Permission]:
    for i, permission in enumerate(given):
        path = f"{at}.permissions[{i}]"
        faults: list[str] = []
        reader = _Reader(path, wrong, faults, allows=permission.action == ALLOW)
        asked = tokens(permission.jwt, f"{path}.jwt", reader.told) if permission.jwt is not None else None
        asks = tuple(reader.http(permission.http)) if permission.http is not None else ()
        if not faults:
            allows = permission.action == ALLOW
            yield Permission(allows=allows, asks=asks, tokens=asked if allows else None, path=path)
        elif permission.action != ALLOW:
            yield Permission(allows=False, asks=(), path=path)


class _Reader:
    """Reads one permission; what cannot be judged is added to `faults`, and told."""

    def __init__(self, path: str, wrong: Wrong, faults: list[str], *, allows: bool) -> None:
        self._path, self._wrong, self._faults, self._allows = path, wrong, faults, allows

    def told(self, path: str, code: str, text: str) -> None:
        """Of a field of its tokens, by its whole path."""
        self.fault(path.removeprefix(f"{self._path}."), text, code)

    def fault(self, field: str, text: str, code: str = "UnsupportedField") -> None:
        """Of a field for which the permission cannot be judged."""
        effect = "it allows nothing" if self._allows else "it denies everything"
        self._faults.append(field)
        self._wrong(f"{self._path}.{field}", code, f"{text}: {effect}")

    def http(self, asked: HttpPermission) -> Iterator[Requirement]:
        """What is asked, all of which must hold."""
        path: Text | None = None
        if asked.path_exact:
            path = Exact(asked.path_exact)
        elif asked.path_prefix:
            path = Prefix(asked.path_prefix)
        elif asked.path_regex:
            path = self._regex(asked.path_regex, "http.pathRegex")
        if path is not None:
            yield Requirement(attribute=Attribute.PATH, values=(path,))
        if asked.methods:
            yield Requirement(attribute=Attribute.METHOD, values=tuple(map(Exact, asked.methods)))
        for i, header in enumerate(asked.header):
            yield self._header(header, f"http.header[{i}]")

    def _header(self, asked: HeaderPermission, field: str) -> Requirement:
        name = asked.name.lower()
        if name.startswith(":") or name == "host":
            self.fault(f"{field}.name", f"{asked.name!r} is no header of an application's: use path and methods")
        value = self._value(asked, field)
        # A header that is not there is not the value that is left out. An allowance does not count on its absence.
        there = (Present(),) if self._allows and not isinstance(value, Present) else ()
        return Requirement(
            attribute=Attribute.HEADER,
            name=name,
            values=there if asked.invert else (value,),
            refuses=(value,) if asked.invert else (),
            ignore_case=asked.ignore_case,
        )

    def _value(self, asked: HeaderPermission, field: str) -> Text:
        if asked.regex:
            return self._regex(asked.regex, f"{field}.regex")
        for text, kind in ((asked.exact, Exact), (asked.prefix, Prefix), (asked.suffix, Suffix)):
            if text:
                return kind(text)
        return Contains(asked.contains) if asked.contains else Present()

    def _regex(self, pattern: str, field: str) -> Regex:
        return read_regex(pattern, field, lambda path, code, text: self.fault(path, text, code))
