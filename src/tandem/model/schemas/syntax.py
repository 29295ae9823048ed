"""Scalars of the field tables: a value in, what is wrong with it out (None if nothing). Pure."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from tandem.base.re2 import re2_fault
from tandem.model.schemas.complaint import shown

LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_HOSTNAME: Final = re.compile(r"(\*\.)?" + SUBDOMAIN.pattern)
_QUALIFIED: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PORT_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_QUANTITY: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_DURATION: Final = re.compile(r"0|[+-]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+")
_FRACTIONS: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_NANOSECONDS: Final = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_GATEWAY_DURATION: Final = re.compile(r"([0-9]{1,5}(h|m|s|ms)){1,4}")
TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256}")
_GATEWAY_KIND: Final = re.compile(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?")
_NOT_RE2: Final = re.compile(r"\(\?(=|!|<=|<!)|(?<!\\)(\\\\)*\\[1-9]")
_RE2_ONLY: Final = re.compile(r"\\[pPzQEC]|\(\?<[A-Za-z]|\(\?[a-zA-Z-]*U|\[\[:")
_PERCENT: Final = re.compile(r"[0-9]+%")

Check = Callable[[object], str | None]


def name_of(value: object) -> str:
    """The JSON type of a value with its article, for messages."""
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "an object"
    return "null"


def qualified(key: str) -> str | None:
    """What is wrong with a label or annotation key."""
    prefix, slash, name = key.rpartition("/")
    if slash and not _full(SUBDOMAIN, prefix, 253):
        return "the part before the slash must be a DNS subdomain"
    if not _full(_QUALIFIED, name, 63):
        return "must be 1 to 63 letters, digits, '-', '_' or '.', and start and end with a letter or digit"
    return None


def label_value(value: str) -> str | None:
    """What is wrong with a label's value."""
    if value and not _full(_QUALIFIED, value, 63):
        return "must be at most 63 letters, digits, '-', '_' or '.', and start and end with a letter or digit"
    return None


def _full(pattern: re.Pattern[str], text: str, longest: int) -> bool:
    return len(text) <= longest and pattern.fullmatch(text) is not None


def _text(value: object) -> str | None:
    return None if isinstance(value, str) else f"must be a string, not {name_of(value)}{hint(value)}"


def hint(value: object) -> str:
    """What turns a plain word of YAML into the text that was meant."""
    return " (quote it)" if isinstance(value, int | float) else ""


def _text1(value: object) -> str | None:
    return _text(value) or (None if value else "must not be empty")


def _matches(pattern: re.Pattern[str], longest: int, what: str) -> Check:
    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return _text(value)
        # "" is absent in the Kubernetes API (omitempty).
        return None if not value or _full(pattern, value, longest) else f"{value!r} is not {what}"

    return check


def _int(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return f"must be an integer, not {name_of(value)}"
    return None


def _between(low: int, high: int) -> Check:
    def check(value: object) -> str | None:
        wrong = _int(value)
        if wrong is None and isinstance(value, int) and not low <= value <= high:
            return f"{value} is not between {low} and {high}"
        return wrong

    return check


def _bool(value: object) -> str | None:
    return None if isinstance(value, bool) else f"must be a boolean, not {name_of(value)}"


def _float(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be a number, not {name_of(value)}"
    return None


def _int_or_string(value: object) -> str | None:
    if isinstance(value, str) or _int(value) is None:
        return None
    return f"must be an integer or a string, not {name_of(value)}"


def _port_ref(value: object) -> str | None:
    if isinstance(value, str):
        return _port_name(value) if value else "must not be empty"
    return _PORT(value) if isinstance(value, int) else _int_or_string(value)


def _port_ref_or_none(value: object) -> str | None:
    """As `_port_ref`; 0 and the empty name say nothing, as Go's types send them where nothing was said."""
    return None if value == "" or (value == 0 and type(value) is int) else _port_ref(value)


def _port_name(value: object) -> str | None:
    if not isinstance(value, str):
        return _text(value)
    wrong = port_name_fault(value) if value else None
    return f"{value!r} is not a port name ({wrong})" if wrong else None


def port_name_fault(value: str) -> str | None:
    """What is wrong with the name of a port (IANA_SVC_NAME, RFC 6335)."""
    if _full(_PORT_NAME, value, 15) and any(c.isalpha() for c in value):
        return None
    return "must be at most 15 of a-z, 0-9 and single '-' between them, with at least one letter"


def _quantity(value: object) -> str | None:
    if isinstance(value, str):
        return None if _QUANTITY.fullmatch(value) else f"{value!r} is not a quantity (such as 500m or 128Mi)"
    return _float(value)


def _bytes(value: object) -> str | None:
    if not isinstance(value, str):
        return _text(value)
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return "is not base64"
    return None


def _ip(value: object) -> str | None:
    if not isinstance(value, str):
        return _text(value)
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return f"{value!r} is no IP address"
    return None if str(address) == value else f"{value!r}: is written {str(address)!r}"


def _regex(value: object) -> str | None:
    if not isinstance(value, str):
        return _text(value)
    if len(value) > 1024:
        return "is longer than 1024 characters"
    if _NOT_RE2.search(value):
        return f"{value!r}: Envoy's regular expressions (RE2) know no look-around and no back references"
    if (fault := re2_fault(value)) or _RE2_ONLY.search(value):  # ours would refuse what RE2 alone understands
        return f"{value!r} is not a regular expression: {fault}" if fault else None
    try:
        re.compile(value)
    except re.error as err:
        return f"{value!r} is not a regular expression: {err}"
    return None


def _whole_duration(least: int, unit: int, what: str) -> Check:
    """At least so many nanoseconds, in whole units of so many."""

    def check(value: object) -> str | None:
        if (wrong := SCALARS["dur"](value)) or not isinstance(value, str) or not value:
            return wrong
        parts = _FRACTIONS.findall(value)
        length = round(sum(Decimal(number) * _NANOSECONDS[name] for number, name in parts))
        return f"{value!r} is not {what}" if value[0] == "-" or length < least or length % unit else None

    return check


def _env_name(value: object) -> str | None:
    if not isinstance(value, str):
        return _text(value)
    return None if value and "=" not in value and value.isprintable() else f"{value!r} is not a variable's name"


def _key(value: object) -> str | None:
    if not isinstance(value, str):
        return _text(value)
    wrong = qualified(value)
    return f"Invalid value: {shown(value)}: {wrong}" if wrong else None


def _obj(value: object) -> str | None:
    return None if isinstance(value, dict) else f"must be an object, not {name_of(value)}"


def percent_or_count(value: object) -> str | None:
    """What is wrong with maxSurge and its like: a count, or a percentage as text."""
    if isinstance(value, str):
        return None if _PERCENT.fullmatch(value) else f"{value!r} is neither a number nor a percentage such as 25%"
    return _between(0, 2**31 - 1)(value)


_PORT: Final = _between(1, 65535)

SCALARS: Final[dict[str, Check]] = {
    "any": lambda _: None,
    "obj": _obj,
    "str": _text,
    "str1": _text1,
    "int": _int,
    "uint": _between(0, 2**32 - 1),
    "float": _float,
    "bool": _bool,
    "qty": _quantity,
    "bytes": _bytes,
    "regex": _regex,
    "intstr": _int_or_string,
    "port": _PORT,
    "port0": _between(0, 65535),
    "asn": _between(1, 2**32 - 1),
    "ip": _ip,
    "portref": _port_ref,
    "portref0": _port_ref_or_none,
    "portname": _port_name,
    "weight": _between(0, 1_000_000),
    "percent": _between(0, 100),
    "envname": _env_name,
    "key": _key,
    "time": _matches(_TIME, 64, "a time such as 2026-01-31T12:00:00Z"),
    "dur": _matches(_DURATION, 64, "a duration such as 1.5s or 2m"),
    "msdur": _whole_duration(10**6, 10**6, "a duration of at least 1ms, in whole milliseconds"),
    "ms0dur": _whole_duration(0, 10**6, "a duration in whole milliseconds"),
    "secdur": _whole_duration(10**9, 10**9, "a duration of at least 1s, in whole seconds"),
    "gdur": _matches(_GATEWAY_DURATION, 32, "a Gateway API duration such as 500ms or 1m30s"),
    "label": _matches(LABEL, 63, "a DNS label (a-z, 0-9, '-', at most 63)"),
    "subdomain": _matches(SUBDOMAIN, 253, "a DNS name (a-z, 0-9, '-', '.', at most 253)"),
    "hostname": _matches(_HOSTNAME, 253, "a host name (a-z, 0-9, '-', '.', with at most one leading '*.')"),
    "group": _matches(SUBDOMAIN, 253, "an API group"),
    "gwkind": _matches(_GATEWAY_KIND, 63, "a kind"),
    "token": _matches(TOKEN, 256, "a header name"),
}
