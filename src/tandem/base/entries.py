"""Results about the entries of a mapping, kept up with what comes, goes and is another one: at the cost of those.

For pure functions of values that nobody changes, and mappings that are replaced and never edited (a Table is compared
at the cost of what differs). Any two mappings give the right result; those that have little in common cost the whole
work. Safe between threads.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Final, Generic, TypeVar

from tandem.base.table import Table, changes

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")
Given = tuple[Mapping[str, Any], ...]
"""What one value gives to each column: name -> part."""
Revise = Callable[[Any, Any, Given], Given]
"""(value before, value now, what the one before gave) -> what the function gives for the value now."""
_NOBODY: Final[frozenset[Any]] = frozenset()


class Parts(Generic[T]):
    """Named parts that several give, in the order of their names; each is there until the last gives it no more.

    What two give by the same name is the same. Never changed: `moved` makes another one.
    """

    __slots__ = ("_counts", "_named", "_names", "ordered")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._named: dict[str, T] = {}
        self._names: list[str] = []
        self.ordered: tuple[T, ...] = ()

    def moved(self, gone: Iterable[Mapping[str, T]], come: Iterable[Mapping[str, T]]) -> Parts[T]:
        """Without what is gone and with what has come; itself if that is the same. Equal parts stay who they are."""
        moves: dict[str, int] = {}
        newest: dict[str, T] = {}
        for given in gone:
            for name in given:
                moves[name] = moves.get(name, 0) - 1
        for given in come:
            for name, part in given.items():
                moves[name] = moves.get(name, 0) + 1
                newest[name] = part
        more = {name: n for name, n in moves.items() if n}
        other = {name: part for name, part in newest.items() if name not in self._named or self._named[name] != part}
        if not more and not other:
            return self
        return self._with(more, other)

    def _with(self, more: Mapping[str, int], other: Mapping[str, T]) -> Parts[T]:
        counts = dict(self._counts) if more else self._counts
        named = {**self._named, **other} if other else dict(self._named)
        lost = set()
        for name, number in more.items():
            counts[name] = counts.get(name, 0) + number
            if not counts[name]:
                lost.add(name)
                del counts[name], named[name]
        made: Parts[T] = Parts()
        made._counts, made._named, made._names = counts, named, self._names
        if len(named) == len(self._names) and not lost:
            made.ordered = self._with_others(other)
            return made
        names = [n for n in self._names if n not in lost] if lost else list(self._names)
        names += [name for name in other if name not in self._named]
        names.sort()  # nearly in order: a pass
        made._names = names
        made.ordered = tuple(map(named.__getitem__, names))
        return made

    def _with_others(self, other: Mapping[str, T]) -> tuple[T, ...]:
        """In the same order, these in the places that their names have."""
        if not other:
            return self.ordered
        found = list(self.ordered)
        for name, part in other.items():
            found[bisect_left(self._names, name)] = part
        return tuple(found)


def joined_values(
    width: int, revise: Revise | None = None
) -> Callable[[Callable[[V], Given]], Callable[[Mapping[Any, V]], tuple[tuple[Any, ...], ...]]]:
    """Of a function of one value: column by column the parts that all values give, in the order of their names.

    A column in which nothing changed is the same object. `revise` makes what a value gives of what the one before it
    under the same key gave.
    """

    def decorate(function: Callable[[V], Given]) -> Callable[[Mapping[Any, V]], tuple[tuple[Any, ...], ...]]:
        start: Mapping[Any, V] = Table()
        parts: tuple[Parts[Any], ...] = tuple(Parts() for _ in range(width))
        kept: tuple[Mapping[Any, V], Table[Any, Given], tuple[Parts[Any], ...]] = start, Table(), parts

        @wraps(function)
        def wrapper(values: Mapping[Any, V]) -> tuple[tuple[Any, ...], ...]:
            nonlocal kept
            before, given, columns = kept
            if values is not before:
                put: dict[Any, Given] = {}
                differing = changes(before, values)
                for key, (old, new) in differing.items():
                    if new is not None:
                        known = given.get(key)
                        renewed = revise is not None and old is not None and known is not None
                        put[key] = revise(old, new, known) if renewed else function(new)  # type: ignore[misc,arg-type]
                gone = [found for key in differing if (found := given.get(key)) is not None]
                columns = tuple(
                    column.moved((one[i] for one in gone), (one[i] for one in put.values()))
                    for i, column in enumerate(columns)
                )
                kept = values, given.changed(put, differing.keys() - put.keys()), columns
            return tuple(column.ordered for column in columns)

        return wrapper

    return decorate


def entries_of(make: Callable[[K], V]) -> Callable[[Mapping[K, V], frozenset[K]], Table[K, V]]:
    """The entries of a mapping under these keys, as a Table; `make` gives those that the mapping has not."""
    kept: tuple[Mapping[K, V], frozenset[K], Table[K, V]] = Table(), frozenset(), Table()

    @wraps(make)
    def wrapper(values: Mapping[K, V], keys: frozenset[K]) -> Table[K, V]:
        nonlocal kept
        before, old, found = kept
        if values is not before or keys is not old:
            touched = (keys - old) | (changes(before, values).keys() & keys)
            put = {key: value for key in touched if (value := values.get(key)) is not None}
            put |= {key: make(key) for key in touched - put.keys() if _is_other(found, key, before)}
            found = found.changed(put, old - keys if old is not keys else _NOBODY)
            kept = values, keys, found
        return found

    return wrapper


def _is_other(found: Table[K, V], key: K, before: Mapping[K, V]) -> bool:
    """Whether an entry that the mapping lacks is to be made: it was there, or was not asked for."""
    return key not in found or before.get(key) is not None
