"""AddressGroups as they travel: a large one in pieces, so that one address more is a small message. Pure.

| resource name | is |
|---|---|
| `ID` | a group of few addresses, whole |
| `ID/COUNT/NUMBER` | one of COUNT pieces of a large one; each address is in the piece that it names itself |

COUNT follows from how many addresses there are. The pieces of another COUNT are all sent before those of the old one
are withdrawn, and until then a node has both: a group is what its pieces say together. Where not all pieces of one
COUNT have come, the group has not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final
from zlib import crc32

from tandem.base.ids import GroupId
from tandem.base.members import changes
from tandem.base.table import Table
from tandem.ir.policy import AddressGroup

LARGEST: Final = 256
"""Addresses of a group that is sent whole, and of a piece on average at most."""
STEP: Final = 4
"""A group that becomes larger is cut into so many times as many pieces: seldom, since all are sent then."""

Pieces = Mapping[str, AddressGroup]
"""By resource name; each with the id of its group."""


def cut(group: AddressGroup) -> Pieces:
    """What the group is sent as."""
    count = _count(group)
    if count == 1:
        return {group.id: group}
    found: list[list[str]] = [[] for _ in range(count)]
    for address in group.addresses:
        found[_number(address, count)].append(address)
    return {_name(group.id, count, n): _piece(group.id, addresses) for n, addresses in enumerate(found)}


def recut(before: AddressGroup, pieces: Pieces, now: AddressGroup) -> Pieces:
    """`cut(now)`, where `pieces` are those of the group before: what has not changed is the very same object."""
    count = _count(now)
    if count == 1 or count != _count(before):
        return cut(now)
    gone, come = changes(before.addresses, now.addresses)
    moves: dict[int, tuple[set[str], set[str]]] = {}
    for which, addresses in enumerate((gone, come)):
        for address in addresses:
            moves.setdefault(_number(address, count), (set(), set()))[which].add(address)
    names = {_name(now.id, count, n): move for n, move in moves.items()}
    made = {name: _piece(now.id, (set(pieces[name].addresses) - less) | more) for name, (less, more) in names.items()}
    return {**pieces, **made}


def name_of(group: AddressGroup, address: str) -> str:
    """The resource that says whether the group has this address."""
    count = _count(group)
    return _name(group.id, count, _number(address, count)) if count > 1 else group.id


def _count(group: AddressGroup) -> int:
    count = 1
    while len(group.addresses) > count * LARGEST:
        count *= STEP
    return count


def _number(address: str, count: int) -> int:
    return crc32(address.encode()) % count


def _name(group: GroupId, count: int, number: int) -> str:
    return f"{group}/{count}/{number}"


def _piece(group: GroupId, addresses: Iterable[str]) -> AddressGroup:
    return AddressGroup(id=group, addresses=tuple(sorted(addresses)))


class Joined:
    """Groups put together of the pieces that have come, kept up."""

    def __init__(self) -> None:
        self._pieces: dict[GroupId, dict[str, AddressGroup]] = {}
        self._owners: dict[str, GroupId] = {}
        self.groups: Table[GroupId, AddressGroup] = Table()
        """Replaced and never edited; the addresses of a large one are in the order of its pieces."""

    def take(self, come: Pieces, gone: Iterable[str]) -> None:
        """These pieces are there now, and those no more."""
        touched: set[GroupId] = set()
        for name in gone:
            owner = self._owners.pop(name, None)
            if owner is not None:
                del self._pieces[owner][name]
                touched.add(owner)
        for name, piece in come.items():
            self._owners[name] = piece.id
            self._pieces.setdefault(piece.id, {})[name] = piece
            touched.add(piece.id)
        put: dict[GroupId, AddressGroup] = {}
        for group in touched:
            made = _joined(group, self._pieces[group])
            if made is not None:
                put[group] = made
            elif not self._pieces[group]:
                del self._pieces[group]
        self.groups = self.groups.changed(put, touched - put.keys())


def _joined(group: GroupId, pieces: Pieces) -> AddressGroup | None:
    """None while it is not complete."""
    if list(pieces) == [group]:
        return pieces[group]
    there: dict[int, int] = {}
    for name in pieces:
        count = _count_in(name)
        there[count] = there.get(count, 0) + 1
    if all(count != n for count, n in there.items()):
        return None
    addresses = chain.from_iterable(pieces[name].addresses for name in sorted(pieces))
    return AddressGroup(id=group, addresses=tuple(addresses if len(there) == 1 else dict.fromkeys(addresses)))


def _count_in(name: str) -> int:
    parts = name.split("/")
    return int(parts[1]) if len(parts) > 1 else 1
