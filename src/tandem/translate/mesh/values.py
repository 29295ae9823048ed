"""Text of the APIs -> numbers and matches: durations, regular expressions, header names. Pure.

Every function returns the value or a sentence that says what is wrong with the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tandem.ir.mesh import Regex

Wrong = Callable[[str, str, str], None]
"""Takes a field's path, a code and a text."""

_UNITS_MS: Final[dict[str, float]] = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1, "us": 0.001, "ns": 0.000001}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|us|ns|h|m|s)")
_NOT_RE2: Final = re.compile(r"\(\?(?:[=!]|<[=!]|>)|\\[1-9]|\(\?P=")
_HEADER: Final = re.compile(r"^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$")


def milliseconds(text: str) -> int | None:
    """`500ms`, `1.5s`, `1m30s` in whole milliseconds (rounded up); None if the text is no duration; empty is 0."""
    if text in {"", "0"}:
        return 0
    total, end = 0.0, 0
    for part in _PART.finditer(text):
        if part.start() != end:
            return None
        total += float(part[1]) * _UNITS_MS[part[2]]
        end = part.end()
    return -int(-total // 1) if end == len(text) else None


def duration(text: str, at: str, wrong: Wrong, *, such_as: str) -> int:
    """The same, 0 for a text that is no duration: then `wrong` is told. `such_as`: an example that the API takes."""
    value = milliseconds(text)
    if value is None:
        wrong(at, "InvalidValue", f"{text!r} is not a duration such as {such_as}")
    return value or 0


def regex_mistake(pattern: str) -> str:
    """Why Envoy (RE2) would refuse a pattern; empty if nothing is known against it."""
    if _NOT_RE2.search(pattern):
        return f"{pattern!r}: RE2 has no look-around and no back-references"
    try:
        re.compile(pattern)
    except re.error as err:
        return f"{pattern!r} is not a regular expression: {err}"
    return ""


def read_regex(pattern: str, at: str, wrong: Wrong) -> Regex:
    """A regular expression; one that Envoy would refuse is told."""
    mistake = regex_mistake(pattern)
    if mistake:
        wrong(at, "InvalidValue", mistake)
    return Regex(pattern)


def header_mistake(name: str) -> str:
    """Why a header cannot be changed; empty if it can."""
    if name.startswith(":") or name.lower() == "host":
        return f"header {name!r} cannot be changed here: it decides where the request goes"
    if not _HEADER.match(name):
        return f"{name!r} is not a header name"
    return ""
