"""Bodies in Kubernetes protobuf, as typed clients and `kubectl create <kind>` send them -> a raw object. Pure.

`protobuf.json` beside this file has the messages of the kinds of Kubernetes itself: by number each field's name and
form, as Go's types of the API have them. Forms: a scalar, `[form]`, `{form}` (a map from text) or a message; `?` where
Go has a pointer, which is written if it is there, while all else is written also where it is empty, and then is absent
here, as in JSON; `!` where JSON has it also when it is empty (a container's `restartCount` of 0); the name `-` where
the message's fields are those of the one around it. A field that is not known and holds something is refused.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from tandem.base.clock import rfc3339
from tandem.model.kind import BUILT_IN
from tandem.model.kinds import KINDS

MAGIC: Final = b"k8s\x00"
Raw = dict[str, Any]
Messages = dict[str, dict[int, tuple[str, str]]]
ROOTS: Final = frozenset({"DeleteOptions", *(k.kind for k in KINDS if k.group in BUILT_IN)})
APART: Final = {"events.k8s.io": "events."}
"""Groups with a kind of another's name, and what their messages begin with."""


@cache
def _messages() -> Messages:
    raw = msgspec.json.decode(Path(__file__).with_suffix(".json").read_bytes(), type=dict[str, dict[int, str]])
    return {
        name: {number: (text.partition(" ")[0], text.partition(" ")[2]) for number, text in fields.items()}
        for name, fields in raw.items()
    }


class ProtobufError(ValueError):
    """The body is not of the known form, or holds a field that is not known."""


def decode(body: bytes) -> Raw:
    """The object in a protobuf body; raises ProtobufError."""
    if not body.startswith(MAGIC):
        raise ProtobufError("the body is not Kubernetes protobuf")
    try:
        envelope = dict(_fields(body[len(MAGIC) :]))
        names = dict(_fields(_bytes(envelope.get(1, b""))))
        version, kind = _bytes(names.get(1, b"")).decode(), _bytes(names.get(2, b"")).decode()
        if kind not in ROOTS:
            raise ProtobufError(f"protobuf is not understood for {kind}")
        name = APART.get(version.partition("/")[0], "") + kind
        return {"apiVersion": version, "kind": kind, **_message(_bytes(envelope.get(2, b"")), name, kind)}
    except (IndexError, UnicodeDecodeError, msgspec.DecodeError) as err:
        raise ProtobufError("the body is cut off or not Kubernetes protobuf") from err


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
                yield tag >> 3, value
            case 2:
                size, at = _varint(data, at)
                if at + size > len(data):
                    raise IndexError
                yield tag >> 3, data[at : at + size]
                at += size
            case other:
                raise ProtobufError(f"unexpected wire type {other}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ProtobufError("a number where bytes belong")
    return value


def _message(data: bytes, name: str, at: str) -> Raw:
    made: Raw = {}
    for number, value in _fields(data):
        known = _messages()[name].get(number)
        if known is None:
            if not _empty(value):
                raise ProtobufError(f"{at}: field number {number} is not understood in protobuf")
            continue
        field, form = known
        where = f"{at}.{field}"
        if field == "-":
            made |= _message(_bytes(value), form.rstrip("?"), at)
        elif form.startswith("["):
            made.setdefault(field, []).append(_value(value, form[1:-1], where))
        elif form.startswith("{"):
            entry = dict(_fields(_bytes(value)))
            made.setdefault(field, {})[_bytes(entry.get(1, b"")).decode()] = _value(
                entry.get(2, b""), form[1:-1], where
            )
        elif form[-1] in "?!" or value not in (0, b""):
            found = _value(value, form.rstrip("?!"), where)
            if found is not None:
                made[field] = found
    return made


def _value(value: int | bytes, form: str, at: str) -> Any:
    read = SCALARS.get(form)
    return _message(_bytes(value), form, at) if read is None else read(value)


def _int(value: int | bytes) -> int | bytes:
    return value - (1 << 64) if isinstance(value, int) and value >> 63 else value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode()


def _base64(value: int | bytes) -> str:
    return base64.b64encode(_bytes(value)).decode()


def _quantity(value: int | bytes) -> str | None:
    return _text(dict(_fields(_bytes(value))).get(1, b"")) or None


def _raw(value: int | bytes) -> Any:
    """JSON as it is, of managed fields."""
    held = _bytes(dict(_fields(_bytes(value))).get(1, b""))
    return msgspec.json.decode(held) if held else None


def _int_or_string(value: int | bytes) -> int | bytes | str:
    either = dict(_fields(_bytes(value)))
    return _text(either.get(3, b"")) if either.get(1) else _int(either.get(2, 0))


def _time(value: int | bytes) -> str | None:
    seconds = dict(_fields(_bytes(value))).get(1, 0)
    return rfc3339(seconds) if isinstance(seconds, int) and seconds else None


def _micro_time(value: int | bytes) -> str | None:
    text, nanos = _time(value), dict(_fields(_bytes(value))).get(2, 0)
    return f"{text[:-1]}.{nanos // 1000:06}Z" if text and isinstance(nanos, int) else None


SCALARS: Final[dict[str, Callable[[int | bytes], Any]]] = {
    "int": _int,
    "bool": bool,
    "str": _text,
    "bytes": _base64,
    "Quantity": _quantity,
    "IntOrString": _int_or_string,
    "Time": _time,
    "MicroTime": _micro_time,
    "Raw": _raw,
}


def _empty(value: int | bytes) -> bool:
    """True for 0, "" and messages of nothing but such."""
    if isinstance(value, int):
        return value == 0
    try:
        return all(_empty(inner) for _, inner in _fields(value))
    except (ProtobufError, IndexError):
        return False
