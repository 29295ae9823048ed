"""Which resources does a NACK refuse? Error text and the names of the response in; name -> text out. Pure.

Envoy applies what is right in a response and refuses the rest, but says so in one text. Listener and cluster updates
name the culprits (`Error adding/updating listener(s) NAME: why; NAME2: why`). On our own hop the text is JSON:
`{"errors": {NAME: why}}`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

# Envoy cuts status messages at 4096 bytes; culprits beyond the cut are unknown.
_CUT: Final = "...(truncated)"
_SEPARATORS: Final = ("(s) ", "\n", "; ", ", ")


class ErrorList(msgspec.Struct, frozen=True, kw_only=True):
    """The refusals of our own hop."""

    errors: dict[str, str]


def format_errors(errors: dict[str, str]) -> str:
    """The `error_detail.message` by which an agent names what it refuses."""
    return msgspec.json.encode(ErrorList(errors=errors), order="deterministic").decode()


def culprits(text: str, names: Collection[str]) -> tuple[dict[str, str], bool]:
    """(name -> its error, True if every name that is not listed was accepted)."""
    if text.startswith("{"):
        try:
            listed = msgspec.json.decode(text, type=ErrorList).errors
        except msgspec.DecodeError:
            return {}, False
        return {n: listed[n] for n in names if n in listed}, bool(listed)
    starts = sorted(_positions(text, names))
    found: dict[str, str] = {}
    for i, (at, name) in enumerate(starts):
        end = starts[i + 1][0] if i + 1 < len(starts) else len(text)
        found[name] = text[at + len(name) + 2 : end].rstrip(" \n;,")
    return found, bool(found) and _CUT not in text


def _positions(text: str, names: Collection[str]) -> list[tuple[int, str]]:
    """Where the text turns to one of the names: `NAME: ` at its start or after a separator."""
    out = []
    for name in names:
        for lead in _SEPARATORS:
            at = text.find(f"{lead}{name}: ")
            if at >= 0:
                out.append((at + len(lead), name))
                break
        else:
            if text.startswith(f"{name}: "):
                out.append((0, name))
    return out
