"""A dictionary that is never changed, and from which another with a few changes is made at the cost of those.

Two of them are compared by what they do not share, so the difference between one and another made of it, by however
many steps, costs what differs and not what is there. Values are compared by identity.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import chain
from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

PARTS: Final = 512
"""Into how many dictionaries the entries are divided, by hash: a change copies one of them and the list of all."""
_EMPTY: Final[dict[object, object]] = {}


class Table(Mapping[K, V]):
    """The order of iteration means nothing, and differs from process to process."""

    __slots__ = ("_length", "parts")

    def __init__(self, entries: Mapping[K, V] | Iterable[tuple[K, V]] = ()) -> None:
        parts: list[dict[K, V]] = [_EMPTY] * PARTS  # type: ignore[list-item]
        for key, value in entries.items() if isinstance(entries, Mapping) else entries:
            at = hash(key) % PARTS
            if parts[at] is _EMPTY:
                parts[at] = {}
            parts[at][key] = value
        self.parts = parts
        self._length = sum(map(len, parts))

    def changed(self, put: Mapping[K, V], drop: Iterable[K] = ()) -> Table[K, V]:
        """One with these entries put and those keys dropped, there or not; itself if nothing differs."""
        parts, copied, length = list(self.parts), set[int](), self._length
        for key in drop:
            at = hash(key) % PARTS
            if key in parts[at]:
                parts[at] = self._own(parts[at], at, copied)
                del parts[at][key]
                length -= 1
        for key, value in put.items():
            at = hash(key) % PARTS
            if parts[at].get(key, _EMPTY) is not value:
                parts[at] = self._own(parts[at], at, copied)
                length += key not in parts[at]
                parts[at][key] = value
        if not copied:
            return self
        made: Table[K, V] = Table.__new__(Table)
        made.parts, made._length = parts, length
        return made

    def become(self, now: Mapping[K, V]) -> Table[K, V]:
        """One with exactly these entries, in which a value that equals the one here stays that very object."""
        put = {key: value for key, value in now.items() if self.get(key, _EMPTY) != value}  # type: ignore[arg-type]
        return self.changed(put, [key for key in self if key not in now])

    @staticmethod
    def _own(part: dict[K, V], at: int, copied: set[int]) -> dict[K, V]:
        if at in copied:
            return part
        copied.add(at)
        return dict(part)

    def changes(self, before: Table[K, V]) -> dict[K, tuple[V | None, V | None]]:
        """Key -> (value before, value now), None where there is none, of each entry that is not the same object."""
        found: dict[K, tuple[V | None, V | None]] = {}
        if before.parts is self.parts:
            return found
        for old, new in zip(before.parts, self.parts, strict=True):
            if old is not new:
                _compare(old, new, found)
        return found

    def __getitem__(self, key: K) -> V:
        return self.parts[hash(key) % PARTS][key]

    def get(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]
        """The value, or `default`."""
        return self.parts[hash(key) % PARTS].get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self.parts[hash(key) % PARTS]

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(self.parts)

    def __len__(self) -> int:
        return self._length

    def keys(self) -> KeysView[K]:
        """The keys."""
        return KeysView(self)

    def values(self) -> ValuesView[V]:
        """The values."""
        return _Values(self)

    def items(self) -> ItemsView[K, V]:
        """Keys and values."""
        return _Items(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return super().__eq__(other)
        return len(self) == len(other) and all(a is b or a == b for a, b in zip(self.parts, other.parts, strict=True))

    def __repr__(self) -> str:
        return f"Table({dict(self)!r})"

    __hash__ = None  # type: ignore[assignment]


class _Values(ValuesView[V]):
    _mapping: Table[object, V]

    def __iter__(self) -> Iterator[V]:
        return chain.from_iterable(part.values() for part in self._mapping.parts)


class _Items(ItemsView[K, V]):
    _mapping: Table[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return chain.from_iterable(part.items() for part in self._mapping.parts)


def changes(before: Mapping[K, V], now: Mapping[K, V]) -> dict[K, tuple[V | None, V | None]]:
    """`Table.changes` of any two mappings; what are no tables is compared entry by entry."""
    if before is now:
        return {}
    if isinstance(before, Table) and isinstance(now, Table):
        return now.changes(before)
    found: dict[K, tuple[V | None, V | None]] = {}
    _compare(before, now, found)
    return found


def _compare(old: Mapping[K, V], new: Mapping[K, V], found: dict[K, tuple[V | None, V | None]]) -> None:
    for key, value in new.items():
        known = old.get(key)
        if known is not value:
            found[key] = known, value
    for key, value in old.items():
        if key not in new:
            found[key] = value, None
