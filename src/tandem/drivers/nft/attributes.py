"""Attributes of nf_tables beyond those of netlink itself, in bytes (linux/netfilter/nfnetlink.h). Pure."""

from __future__ import annotations

import struct
from typing import Final

from tandem.base.netlink import attribute, message

SUBSYSTEM: Final = 10
"""NFNL_SUBSYS_NFTABLES."""
REQUEST: Final = 0x1
ACK: Final = 0x4
CREATE: Final = 0x400
APPEND: Final = 0x800
_DUMP: Final = 0x300
_NESTED: Final = 0x8000
_FAMILIES: Final = {"inet": 1, "ip": 2, "bridge": 7, "ip6": 10}


def asked(family: str, kind: int, body: bytes, flags: int = 0) -> bytes:
    """A message about the tables of a family, which the kernel answers."""
    head = struct.pack("!BBH", _FAMILIES[family], 0, 0)
    return message(SUBSYSTEM << 8 | kind, REQUEST | ACK | flags, head + body)


def dumped(family: str, kind: int, body: bytes) -> bytes:
    """A question that is answered by many messages, the last of which says so."""
    head = struct.pack("!BBH", _FAMILIES[family], 0, 0)
    return message(SUBSYSTEM << 8 | kind, REQUEST | _DUMP, head + body)


def text(number: int, value: str) -> bytes:
    """A name."""
    return attribute(number, value.encode() + b"\0")


def number32(number: int, value: int) -> bytes:
    """Thirty-two bits in the order of the network."""
    return attribute(number, struct.pack("!I", value & 0xFFFFFFFF))


def number64(number: int, value: int) -> bytes:
    """Sixty-four bits likewise."""
    return attribute(number, struct.pack("!Q", value))


def nested(number: int, value: bytes) -> bytes:
    """Attributes within one."""
    return attribute(number | _NESTED, value)


def padded(value: bytes) -> bytes:
    """With zeroes up to a whole word."""
    return value + bytes(-len(value) % 4)
