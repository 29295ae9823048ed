"""Text of the APIs -> numbers and matches: durations, regular expressions, header names. Pure.

Every function returns the value or a sentence that says what is wrong with the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tandem.base.re2 import re2_fault
from tandem.ir.mesh import Regex

Wrong = Callable[[str, str, str], None]
"""Takes a field's path, a code and a text."""

_UNITS_MS: Final[dict[str, float]] = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1, "us": 0.001, "ns": 0.000001}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|us|ns|h|m|s)")
_NOT_RE2: Final = re.compile(r"\(\?(?:[=!]|<[=!]|>)|\\[1-9]|\(\?P=")
_COMMAND: Final = re.compile(r"%(?:%|([^%(]+)(?:\(([^)]*)\))?(?::\d+)?%)|%")
COMMANDS: Final = frozenset(
    {
        "PROTOCOL", "START_TIME", "ROUTE_NAME", "REQUESTED_SERVER_NAME", "RESPONSE_CODE", "RESPONSE_CODE_DETAILS",
        "RESPONSE_FLAGS", "DURATION", "BYTES_RECEIVED", "STREAM_ID", "UPSTREAM_HOST", "UPSTREAM_CLUSTER",
        "DOWNSTREAM_REMOTE_ADDRESS", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_REMOTE_PORT",
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
        "DOWNSTREAM_LOCAL_ADDRESS", "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_LOCAL_PORT",
        "DOWNSTREAM_PEER_URI_SAN", "DOWNSTREAM_PEER_SUBJECT", "DOWNSTREAM_TLS_VERSION", "DOWNSTREAM_TLS_CIPHER",
    }
)  # fmt: skip
"""What Envoy can put into a header without being told more."""
_OF_HEADERS: Final = frozenset({"REQ", "RESP"})
_NAMED: Final = re.compile(r":?[A-Za-z0-9!#$&'*+.^_`|~-]+(?:\?:?[A-Za-z0-9!#$&'*+.^_`|~-]+)?")
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
    if fault := re2_fault(pattern):
        return f"{pattern!r} is not a regular expression: {fault}"
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


def literal(value: str) -> str:
    """A header's value in which no `%` begins a command."""
    return value.replace("%", "%%")


def plain(value: str) -> str | None:
    """The same the other way; None where there are commands in it."""
    commands = any(found[0] != "%%" for found in _COMMAND.finditer(value))
    return None if commands else value.replace("%%", "%")


def command_mistake(value: str) -> str:
    """Why a header's value cannot be made; empty if it can. One that Envoy does not know would hold up all routes."""
    for found in _COMMAND.finditer(value):
        name, about = found[1], found[2]
        known = name in COMMANDS and about is None
        if found[0] != "%%" and not known and not (name in _OF_HEADERS and about and _NAMED.fullmatch(about)):
            return f"{found[0]} is not put into headers here; write %% for the sign itself"
    return ""
