"""A Delta -> the bytes of one nfnetlink batch, and what the kernel answers. Pure, no socket.

libnftables reads every chain and set of the table before each transaction: with two thousand groups that is ten
milliseconds for one address. What most changes come to, elements of plain sets, of maps to verdicts and to counters,
such sets and maps of addresses (`containers.py`) and the chain of a policy (`chains.py`), is written here
(linux/netfilter/nf_tables.h, nfnetlink.h); all else is left to libnftables.
"""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tandem.base.netlink import attribute, message, messages
from tandem.drivers.nft.attributes import CREATE, REQUEST, SUBSYSTEM, asked, nested, padded, text
from tandem.drivers.nft.chains import PROTOCOLS, chain_messages, verdict_of
from tandem.drivers.nft.containers import container_messages
from tandem.drivers.nft.plan import AddContainer, AddElements, Container, DeleteContainer, DeleteElements, Delta
from tandem.state import nft

_BEGIN, _END, _ERROR = 16, 17, 2
_ADD, _DELETE = 12, 14
_FEW: Final = 200
"""Elements of one message: the length of an attribute has 16 bits."""
_MOST: Final = 2000
"""Elements beyond which it is a cold start, and libnftables' own cost is nothing beside it."""

_TYPES: Final[Mapping[str, Callable[[Any], bytes]]] = {
    "ipv4_addr": lambda atom: ipaddress.IPv4Address(atom).packed,
    "ipv6_addr": lambda atom: ipaddress.IPv6Address(atom).packed,
    "ifname": lambda atom: struct.pack("16s", atom.encode()),
    "inet_proto": lambda atom: struct.pack("B", PROTOCOLS[atom]),
    "inet_service": lambda atom: struct.pack("!H", atom),
}

_DATA: Final[Mapping[tuple[str, ...], Callable[[Any], bytes]]] = {
    ("verdict",): lambda verdict: nested(2, verdict_of(verdict)),
    ("counter",): lambda data: text(9, data[0]),
}


def batch(delta: Delta, table: str, family: str) -> bytes | None:
    """The messages of one transaction; None: it takes what is left to libnftables."""
    found = [message(_BEGIN, REQUEST, struct.pack("!BBH", 0, 0, SUBSYSTEM))]
    for operation in delta.operations:
        made = _made(operation, table, family)
        if made is None:
            return None
        found += made
    found.append(message(_END, REQUEST, struct.pack("!BBH", 0, 0, SUBSYSTEM)))
    return b"".join(found) if delta.operations else None


def _made(operation: object, table: str, family: str) -> list[bytes] | None:
    if isinstance(operation, AddContainer | DeleteContainer):
        return container_messages(operation, table, family)
    if not isinstance(operation, AddElements | DeleteElements):
        return chain_messages(operation, table, family)
    if not _is_plain(operation):
        return None
    kind, flags = (_ADD, CREATE) if isinstance(operation, AddElements) else (_DELETE, 0)
    return [
        asked(family, kind, text(1, table) + text(2, operation.declared.name) + nested(3, some), flags)
        for some in _parts(operation.declared, operation.elements)
    ]


def expected(data: bytes) -> int:
    """How many answers a batch gets."""
    return sum(kind not in {_BEGIN, _END} for kind, _ in messages(data))


def answers(data: bytes) -> list[str]:
    """What the kernel says of each message: empty, or why it refuses."""
    found = []
    for kind, body in messages(data):
        if kind == _ERROR:
            (code,) = struct.unpack_from("=i", body)
            found.append(os.strerror(-code) if code else "")
    return found


def _is_plain(operation: AddElements | DeleteElements) -> bool:
    declared = operation.declared
    named = isinstance(declared, nft.Set) or (declared.data in _DATA and not declared.dynamic)
    known = all(kind in _TYPES for kind in declared.type)
    return named and known and not declared.interval and len(operation.elements) <= _MOST


def _parts(declared: Container, elements: frozenset[Any]) -> Iterator[bytes]:
    """The elements, in bytes, by so many."""
    made = sorted(nested(1, _element(declared, element)) for element in elements)
    for at in range(0, len(made), _FEW):
        yield b"".join(made[at : at + _FEW])


def _element(declared: Container, element: Any) -> bytes:
    if isinstance(declared, nft.Set):
        return _key(declared, element)
    key, data = element
    return _key(declared, key) + _DATA[declared.data](data)


def _key(declared: Container, key: nft.Key) -> bytes:
    """Of several parts each is as long as whole registers of 4 bytes."""
    parts = [_TYPES[kind](atom) for kind, atom in zip(declared.type, key, strict=True)]
    value = parts[0] if len(parts) == 1 else b"".join(padded(part) for part in parts)
    return nested(1, attribute(1, value))
