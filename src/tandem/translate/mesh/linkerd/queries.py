"""Regular expressions of query parameters -> the same within one value of a query. Pure.

They are judged on the whole path, so that none may go on behind its value into the next parameter.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = frozenset("dws")
"""Classes of letters of which none is `&` or `;`."""
_PART: Final = re.compile(r"\\(?P<escape>.)|\[(?P<set>(?:\\.|[^\]\\])+)\]|(?P<other>.)", re.DOTALL)
_PARTING: Final = "&;"


def within_value(pattern: str) -> str | None:
    """The pattern as it matches nothing that parts parameters; None where that is not known of it."""
    text = pattern.removeprefix("^")
    text = text[:-1] if text.endswith("$") and not text.endswith("\\$") else text
    if "(?" in text.replace("(?:", ""):
        return None
    found = []
    for part in _PART.finditer(text):
        made = _made(part)
        if made is None:
            return None
        found.append(made)
    return "".join(found)


def _made(part: re.Match[str]) -> str | None:
    if (escape := part["escape"]) is not None:
        plain = not escape.isalnum() and escape not in _PARTING
        return part[0] if plain or escape in _ESCAPES else None
    if (letters := part["set"]) is not None:
        return part[0] if _is_apart(letters) else None
    other = part["other"]
    if other == ".":
        return "[^&;]"
    return other if other not in "&;^$[]" else None


def _is_apart(letters: str) -> bool:
    """A set of letters and ranges, none of them what parts parameters; of others it is not known."""
    if letters.startswith("^") or "[" in letters or re.search(r"\\[^dws.\-/_\\\]]", letters):
        return False
    plain = re.sub(r"\\[dws]", "", letters).replace("\\", "")
    ranges = re.findall(r"(.)-(.)", plain)
    return not any(mark in plain or any(low <= mark <= high for low, high in ranges) for mark in _PARTING)
