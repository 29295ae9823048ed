"""The filter of a subset of a ServiceResolver -> the labels that its endpoints carry, or why it cannot be. Pure.

Of Consul's filter expressions those are read that ask for metadata and tags, all of which must be there.
"""

from __future__ import annotations

import re
from typing import Final

from tandem.model.consulmeta import meta_label, tag_label

Labels = tuple[tuple[str, str], ...]
_TOKEN: Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`|(==|!=|[()\[\]])|([^\s()\[\]=!"`]+))')
_META: Final = "Service.Meta"
_TAGS: Final = "Service.Tags"
_KNOWN: Final = (
    f"{_META}.KEY == VALUE, VALUE in {_TAGS} and {_TAGS} contains VALUE are understood, with `and` between them"
)
Token = tuple[str, bool]
"""A text, and whether it was quoted."""


def read_filter(text: str) -> Labels | str:
    """Sorted labels; an empty filter asks for none."""
    if not text.strip():
        return ()
    tokens = _tokens(text)
    if tokens is None:
        return f"{text!r} cannot be read: {_KNOWN}"
    found: dict[str, str] = {}
    while True:
        term = _term(tokens)
        if term is None:
            return f"{text!r}: {_KNOWN}"
        (key, value), tokens = term
        if found.setdefault(key, value) != value:
            return f"{text!r} holds of nobody: {key} cannot be {found[key]!r} and {value!r}"
        if not tokens:
            return tuple(sorted(found.items()))
        if tokens[0] != ("and", False):
            return f"{text!r}: {_KNOWN}"
        tokens = tokens[1:]


def _tokens(text: str) -> list[Token] | None:
    found: list[Token] = []
    at, whole = 0, text.rstrip()
    while at < len(whole):
        token = _TOKEN.match(whole, at)
        if token is None:
            return None
        quoted, raw, sign, word = token.groups()
        if quoted is not None:
            found.append((re.sub(r"\\(.)", r"\1", quoted), True))
        else:
            found.append((raw, True) if raw is not None else (sign or word, False))
        at = token.end()
    return found


def _term(tokens: list[Token]) -> tuple[tuple[str, str], list[Token]] | None:
    """One label that is asked for, and the tokens after it."""
    match tokens:
        case [(name, False), ("==", False), (value, _), *rest] if name.startswith(f"{_META}."):
            return (meta_label(name.removeprefix(f"{_META}.")), value), rest
        case [(name, False), ("[", False), (key, True), ("]", False), ("==", False), (value, _), *rest] if (
            name == _META
        ):
            return (meta_label(key), value), rest
        case [(value, _), ("in", False), (name, False), *rest] if name == _TAGS:
            return tag_label(value), rest
        case [(name, False), ("contains", False), (value, _), *rest] if name == _TAGS:
            return tag_label(value), rest
    return None
