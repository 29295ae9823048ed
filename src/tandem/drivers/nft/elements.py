"""A Delta of nothing but elements -> the bytes of one nfnetlink batch, and what the kernel answers. Pure, no socket.

libnftables reads every chain and set of the table before each transaction: with two thousand groups that is ten
milliseconds for one address. What most changes come to, elements of plain sets and verdict maps, is written here
(linux/netfilter/nf_tables.h, nfnetlink.h); everything else is left to libnftables.
"""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tandem.base.netlink import attribute, message
from tandem.drivers.nft.plan import AddElements, Container, DeleteElements, Delta
from tandem.state import nft

_SUBSYSTEM: Final = 10
_BEGIN, _END, _ERROR = 16, 17, 2
_ADD, _DELETE = 12, 14
_REQUEST, _ACK, _CREATE = 0x1, 0x4, 0x400
_NESTED: Final = 0x8000
_FAMILIES: Final = {"inet": 1, "bridge": 7}
_PROTOCOLS: Final = {"tcp": 6, "udp": 17, "sctp": 132}
_FEW: Final = 200
"""Elements of one message: the length of an attribute has 16 bits."""
_MOST: Final = 2000
"""Elements beyond which it is a cold start, and libnftables' own cost is nothing beside it."""

_TYPES: Final[Mapping[str, Callable[[Any], bytes]]] = {
    "ipv4_addr": lambda atom: ipaddress.IPv4Address(atom).packed,
    "ipv6_addr": lambda atom: ipaddress.IPv6Address(atom).packed,
    "ifname": lambda atom: struct.pack("16s", atom.encode()),
    "inet_proto": lambda atom: struct.pack("B", _PROTOCOLS[atom]),
    "inet_service": lambda atom: struct.pack("!H", atom),
}
_VERDICTS: Final[Mapping[type, int]] = {nft.Drop: 0, nft.Accept: 1, nft.Jump: -3, nft.Goto: -4, nft.Return: -5}


def batch(delta: Delta, table: str, family: str) -> bytes | None:
    """The messages of one transaction; None: it takes more than elements of plain sets and verdict maps."""
    operations = delta.operations
    if not operations or not all(map(_is_plain, operations)):
        return None
    found = [message(_BEGIN, _REQUEST, struct.pack("!BBH", 0, 0, _SUBSYSTEM))]
    for operation in operations:
        assert isinstance(operation, AddElements | DeleteElements)  # noqa: S101 - they are plain
        kind, flags = (_ADD, _CREATE) if isinstance(operation, AddElements) else (_DELETE, 0)
        for some in _parts(operation.declared, operation.elements):
            body = _text(1, table) + _text(2, operation.declared.name) + _nested(3, some)
            head = struct.pack("!BBH", _FAMILIES[family], 0, 0)
            found.append(message(_SUBSYSTEM << 8 | kind, _REQUEST | _ACK | flags, head + body))
    found.append(message(_END, _REQUEST, struct.pack("!BBH", 0, 0, _SUBSYSTEM)))
    return b"".join(found)


def expected(data: bytes) -> int:
    """How many answers a batch gets."""
    return sum(bool(flags & _ACK) for _, flags, _ in _messages(data))


def answers(data: bytes) -> list[str]:
    """What the kernel says of each message: empty, or why it refuses."""
    found = []
    for kind, _, body in _messages(data):
        if kind == _ERROR:
            (code,) = struct.unpack_from("=i", body)
            found.append(os.strerror(-code) if code else "")
    return found


def _is_plain(operation: object) -> bool:
    if not isinstance(operation, AddElements | DeleteElements):
        return False
    declared = operation.declared
    verdicts = isinstance(declared, nft.Set) or (declared.data == ("verdict",) and not declared.dynamic)
    known = all(kind in _TYPES for kind in declared.type)
    return verdicts and known and not declared.interval and len(operation.elements) <= _MOST


def _parts(declared: Container, elements: frozenset[Any]) -> Iterator[bytes]:
    """The elements, in bytes, by so many."""
    made = sorted(_nested(1, _element(declared, element)) for element in elements)
    for at in range(0, len(made), _FEW):
        yield b"".join(made[at : at + _FEW])


def _element(declared: Container, element: Any) -> bytes:
    if isinstance(declared, nft.Set):
        return _key(declared, element)
    key, verdict = element
    code = attribute(1, struct.pack("!i", _VERDICTS[type(verdict)]))
    chain = _text(2, verdict.chain) if isinstance(verdict, nft.Jump | nft.Goto) else b""
    return _key(declared, key) + _nested(2, _nested(2, code + chain))


def _key(declared: Container, key: nft.Key) -> bytes:
    """Of several parts each is as long as whole registers of 4 bytes."""
    parts = [_TYPES[kind](atom) for kind, atom in zip(declared.type, key, strict=True)]
    value = parts[0] if len(parts) == 1 else b"".join(_padded(part) for part in parts)
    return _nested(1, attribute(1, value))


def _text(number: int, text: str) -> bytes:
    return attribute(number, text.encode() + b"\0")


def _nested(number: int, value: bytes) -> bytes:
    return attribute(number | _NESTED, value)


def _padded(value: bytes) -> bytes:
    return value + bytes(-len(value) % 4)


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, flags, body)."""
    at = 0
    while at + 16 <= len(data):
        length, kind, flags = struct.unpack_from("=IHH", data, at)
        if length < 16:
            return
        yield kind, flags, data[at + 16 : at + length]
        at += (length + 3) & ~3
