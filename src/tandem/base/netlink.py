"""Messages and attributes of netlink as bytes (linux/netlink.h), of whatever family. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

_HEADER: Final = struct.Struct("=IHHII")
_LENGTH: Final = struct.Struct("=IH")
_ATTRIBUTE: Final = struct.Struct("=HH")


def message(kind: int, flags: int, body: bytes, *, sequence: int = 1) -> bytes:
    """One message to the kernel."""
    return _HEADER.pack(16 + len(body), kind, flags, sequence, 0) + body


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each message in a buffer, up to one that is broken."""
    at = 0
    while at + 16 <= len(data):
        length, kind = _LENGTH.unpack_from(data, at)
        if length < 16:
            return
        yield kind, data[at + 16 : at + length]
        at += (length + 3) & ~3


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type without its flags, value) of each attribute, up to one that is broken."""
    at = 0
    while at + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < 4:
            return
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += (length + 3) & ~3
