"""Warnings of the server while manifests are applied: told at once, but for fields that change nothing here.

Of those a sample application has dozens, all alike. They are told at the end: once for each field, with the objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_IDLE: Final = re.compile(
    r"(?P<who>\S+): (?P<path>\S+): (?:(?P<value>'[^']*') )?(?P<what>(?:has no effect|does not start): .*)"
)
_INDEX: Final = re.compile(r"\[\d+\]")
_NAMED: Final = 3
"""Of more objects the number has to do, unless they differ in a value that people need."""


class Warnings:
    """Of one command; `tell` shows one."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.all: list[str] = []
        self._idle: dict[tuple[str, str], list[re.Match[str]]] = {}

    def add(self, text: str) -> None:
        """`object: field: what is the matter`."""
        self.all.append(text)
        found = _IDLE.fullmatch(text)
        if found is None:
            self._tell(text)
        else:
            field = _INDEX.sub("[]", found["path"].replace("spec.template.", "", 1))
            self._idle.setdefault((field, found["what"]), []).append(found)

    def close(self) -> None:
        """Tell what is told at the end."""
        for (field, what), found in self._idle.items():
            self._tell(found[0].string if len(found) == 1 else f"{field}: {what} ({_objects(found)})")
        self._idle.clear()


def _objects(found: list[re.Match[str]]) -> str:
    if any(one["value"] for one in found):
        return ", ".join(f"{one['value']} of {one['who']}" for one in found)
    names = list(dict.fromkeys(one["who"] for one in found))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} objects: {', '.join(names[:_NAMED])}{more}" if len(names) > 1 else names[0]
