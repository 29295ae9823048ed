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

BITS: Final = 5
WIDTH: Final = 1 << BITS
"""Of rows, and of parts in each: entries are divided by hash, and a change copies a part, its row, the list of rows."""
_PART: Final[dict[object, object]] = {}
_ROW: Final = [_PART] * WIDTH
_ALL: Final = WIDTH * WIDTH


class Table(Mapping[K, V]):
    """The order of iteration means nothing, and differs from process to process."""

    __slots__ = ("_length", "rows")

    def __init__(self, entries: Mapping[K, V] | Iterable[tuple[K, V]] = ()) -> None:
        rows: list[list[dict[K, V]]] = [_ROW] * WIDTH  # type: ignore[list-item]
        copied = set[int]()
        for key, value in entries.items() if isinstance(entries, Mapping) else entries:
            _own(rows, hash(key) % _ALL, copied)[key] = value
        self.rows = rows
        self._length = sum(len(part) for row in rows for part in row)

    def changed(self, put: Mapping[K, V], drop: Iterable[K] = ()) -> Table[K, V]:
        """One with these entries put and those keys dropped, there or not; itself if nothing differs."""
        rows, copied, length = self.rows, set[int](), self._length
        for key in drop:
            at = hash(key) % _ALL
            if key in rows[at >> BITS][at % WIDTH]:
                rows = rows if copied else list(rows)
                del _own(rows, at, copied)[key]
                length -= 1
        for key, value in put.items():
            at = hash(key) % _ALL
            if rows[at >> BITS][at % WIDTH].get(key, _PART) is not value:
                rows = rows if copied else list(rows)
                part = _own(rows, at, copied)
                length += key not in part
                part[key] = value
        if not copied:
            return self
        made: Table[K, V] = Table.__new__(Table)
        made.rows, made._length = rows, length
        return made

    def become(self, now: Mapping[K, V]) -> Table[K, V]:
        """One with exactly these entries, in which a value that equals the one here stays that very object."""
        known = self.get
        # Mostly the very same object; to compare it with itself costs as much as it is large.
        put = {
            key: value
            for key, value in now.items()
            if (old := known(key, _PART)) is not value and old != value  # type: ignore[arg-type]
        }
        return self.changed(put, [key for key in self if key not in now])

    def changes(self, before: Table[K, V]) -> dict[K, tuple[V | None, V | None]]:
        """Key -> (value before, value now), None where there is none, of each entry that is not the same object."""
        found: dict[K, tuple[V | None, V | None]] = {}
        if before.rows is self.rows:
            return found
        for old_row, new_row in zip(before.rows, self.rows, strict=True):
            if old_row is not new_row:
                for old, new in zip(old_row, new_row, strict=True):
                    if old is not new:
                        _compare(old, new, found)
        return found

    def __getitem__(self, key: K) -> V:
        at = hash(key) % _ALL
        return self.rows[at >> BITS][at % WIDTH][key]

    def get(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]
        """The value, or `default`."""
        at = hash(key) % _ALL
        return self.rows[at >> BITS][at % WIDTH].get(key, default)

    def __contains__(self, key: object) -> bool:
        at = hash(key) % _ALL
        return key in self.rows[at >> BITS][at % WIDTH]

    def __iter__(self) -> Iterator[K]:
        if not self._length:  # most kinds have no object: 1,024 parts need not be looked at for that
            return iter(())
        return chain.from_iterable(chain.from_iterable(self.rows))

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
        return len(self) == len(other) and self.rows == other.rows

    def __repr__(self) -> str:
        return f"Table({dict(self)!r})"

    __hash__ = None  # type: ignore[assignment]


def _own(rows: list[list[dict[K, V]]], at: int, copied: set[int]) -> dict[K, V]:
    """The part at a place, to be edited: copied the first time, with its row."""
    row, part = at >> BITS, at % WIDTH
    if at not in copied:
        copied.add(at)
        if ~row not in copied:
            copied.add(~row)
            rows[row] = list(rows[row])
        rows[row][part] = dict(rows[row][part])
    return rows[row][part]


class _Values(ValuesView[V]):
    _mapping: Table[object, V]

    def __iter__(self) -> Iterator[V]:
        if not self._mapping:
            return iter(())
        return chain.from_iterable(part.values() for row in self._mapping.rows for part in row)


class _Items(ItemsView[K, V]):
    _mapping: Table[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        if not self._mapping:
            return iter(())
        return chain.from_iterable(part.items() for row in self._mapping.rows for part in row)


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
