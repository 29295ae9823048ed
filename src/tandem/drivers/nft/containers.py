"""Sets and maps of single addresses -> nfnetlink messages that make and remove them (nf_tables.h). Pure.

Groups of pods, crowds and names of domains are such: a policy with a new selector is not left to libnftables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tandem.drivers.nft.attributes import CREATE, asked, number32, text
from tandem.drivers.nft.plan import AddContainer, DeleteContainer
from tandem.state import nft

_NEW_SET, _DELETE_SET = 9, 11
_EXCLUSIVE: Final = 0x200
_KEYS: Final[Mapping[tuple[str, ...], tuple[int, int]]] = {("ipv4_addr",): (7, 4), ("ipv6_addr",): (8, 16)}
"""The number that nft has for the type of a key, and its bytes."""
_IS_MAP, _IS_OF_OBJECTS = 0x8, 0x40
_VERDICTS: Final = 0xFFFFFF00
"""NFT_DATA_VERDICT."""
_COUNTER: Final = 1
"""NFT_OBJECT_COUNTER."""


def container_messages(operation: object, table: str, family: str) -> list[bytes] | None:
    """The messages of an operation on a set or map; None: it is left to libnftables."""
    if not isinstance(operation, AddContainer | DeleteContainer):
        return None
    declared = operation.declared
    kept = isinstance(declared, nft.Map) and (declared.dynamic or declared.data not in _DATA)
    if declared.type not in _KEYS or declared.interval or kept:
        return None
    names = text(1, table) + text(2, declared.name)
    if isinstance(operation, DeleteContainer):
        return [asked(family, _DELETE_SET, names)]
    number, size = _KEYS[declared.type]
    flags, data = _DATA[declared.data] if isinstance(declared, nft.Map) else (0, b"")
    # The kernel wants an id by which one batch could tell its new sets; here they are told by name.
    body = names + number32(3, flags) + number32(4, number) + number32(5, size) + data + number32(10, 1)
    return [asked(family, _NEW_SET, body, CREATE | _EXCLUSIVE)]


_DATA: Final[Mapping[tuple[str, ...], tuple[int, bytes]]] = {
    ("verdict",): (_IS_MAP, number32(6, _VERDICTS)),
    ("counter",): (_IS_OF_OBJECTS, number32(15, _COUNTER)),
}
"""Flags, and what says which data it has."""
