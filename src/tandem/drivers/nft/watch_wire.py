"""Bytes of nf_tables' notifications -> what was changed in which table, and by whom. Pure, no socket.

The kernel tells each part of a transaction that was carried out, and then, in a message of its own, the number of the
ruleset's new generation and the process (linux/netfilter/nf_tables.h, NFT_MSG_NEWGEN).
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from tandem.base.netlink import attributes, messages

NFTABLES: Final = 10
"""NFNL_SUBSYS_NFTABLES."""
_NEWGEN, _GETGEN = 15, 16
_KINDS: Final = {
    0: ("table", "added"),
    2: ("table", "removed"),
    3: ("chain", "added"),
    5: ("chain", "removed"),
    6: ("rule of chain", "added"),
    8: ("rule of chain", "removed"),
    9: ("set", "added"),
    11: ("set", "removed"),
    12: ("element of set", "added"),
    14: ("element of set", "removed"),
    18: ("counter", "added"),
    20: ("counter", "removed"),
}
_NAME_AT: Final = {"chain": 3, "rule of chain": 2, "set": 2, "element of set": 2, "counter": 2}
"""The attribute that names what a message is about, or what that is in; the first one is always the table."""
_FAMILIES: Final = {1: "inet", 7: "bridge"}

Table = tuple[str, str]
"""Family and name."""


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that was carried out."""

    number: int
    process: str = ""
    """Name of the process, as the kernel has it (15 characters)."""
    pid: int = 0
    """As the kernel counts, whatever namespace of processes the reader is in."""


def ask() -> bytes:
    """The message that asks for the number of the current generation."""
    return struct.pack("=IHHIIBBH", 20, NFTABLES << 8 | _GETGEN, 1, 1, 0, 0, 0, 0)


def generation(data: bytes) -> Generation | None:
    """What a message of a new generation says; None for any other."""
    for kind, body in messages(data):
        if kind != NFTABLES << 8 | _NEWGEN:
            return None
        found = dict(attributes(body[4:]))
        return Generation(
            number=int.from_bytes(found.get(1, b""), "big"),
            pid=int.from_bytes(found.get(2, b""), "big"),
            process=_text(found.get(3, b"")),
        )
    return None


def changes(chunks: Iterable[bytes], tables: Collection[Table]) -> tuple[str, ...]:
    """What was done to these tables, in words: each once, in the order in which the kernel tells it."""
    found: dict[str, None] = {}
    for data in chunks:
        for kind, body in messages(data):
            if kind >> 8 == NFTABLES and kind & 0xFF in _KINDS and body:
                what, verb = _KINDS[kind & 0xFF]
                parts = dict(attributes(body[4:]))
                table = _FAMILIES.get(body[0], ""), _text(parts.get(1, b""))
                if table in tables:
                    name = _text(parts.get(_NAME_AT[what], b"")) if what in _NAME_AT else " ".join(table)
                    found[f"{what} {name} {verb}"] = None
    return tuple(found)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
