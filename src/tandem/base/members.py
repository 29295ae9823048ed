"""Results about the members of a tuple, kept up with what comes and goes: one more costs what one more comes to.

For pure functions of values that nobody changes, in tuples in which most members are the very objects of the time
before, in the same order. Any two tuples give the right result; those that have little in common cost the whole work.
What remains is what a tuple or set of so many costs to copy, some microseconds for a thousand. Safe between threads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar
from weakref import ReferenceType, ref

from tandem.base.memo import same_as_before

T = TypeVar("T")
Elements = frozenset[Any]
MUCH: Final = 8


@same_as_before
def changes(before: tuple[T, ...], now: tuple[T, ...]) -> tuple[tuple[T, ...], tuple[T, ...]]:
    """What is gone and what has come: the members without the first are those without the second, in the same order.

    Equal members count as the same. One that has moved is gone and has come.
    """
    if before is now:
        return (), ()
    old, new = between(before, now)
    if not old or not new:
        return old, new
    known, wanted = set(map(id, old)), set(map(id, new))
    if [id(m) for m in old if id(m) in wanted] != [id(m) for m in new if id(m) in known]:
        return old, new  # some have moved
    return tuple(m for m in old if id(m) not in wanted), tuple(m for m in new if id(m) not in known)


def between(before: tuple[T, ...], now: tuple[T, ...]) -> tuple[tuple[T, ...], tuple[T, ...]]:
    """Both without the beginning and the end that they share."""
    first = _in_common(before, now)
    last = _in_common(before[first:][::-1], now[first:][::-1])
    return before[first : len(before) - last], now[first : len(now) - last]


def _in_common(one: tuple[T, ...], other: tuple[T, ...]) -> int:
    """How many members the beginnings share: slices are compared in C, and identical members are not looked into."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


_steps: Final[dict[int, tuple[ReferenceType[Elements], ReferenceType[Elements], Elements, Elements]]] = {}
"""By the identity of a set: itself, the one that it was made of, what went and what came."""


def stepped(before: Elements, less: Elements, more: Elements) -> Elements:
    """`before` without these and with those; what they differ by is known (`difference`) for as long as both are."""
    after = before - less if less else before
    after = after | more if more else after
    if after is not before:
        key = id(after)
        itself = ref(after, lambda _: _steps.pop(key, None))
        _steps[key] = itself, ref(before), (less & before) - more, more - before
    return after


def difference(before: Elements, now: Elements) -> tuple[Elements, Elements]:
    """What is gone and what has come."""
    step = _steps.get(id(now))
    if step is not None and step[0]() is now and step[1]() is before:
        return step[2], step[3]
    come = now - before
    return (before - now if len(before) + len(come) != len(now) else Elements()), come  # mostly something only comes


def chosen_as_before(chooses: Callable[[T], object]) -> Callable[[tuple[T, ...]], tuple[T, ...]]:
    """The members for which `chooses` is true, in their order; the same tuple for as long as none of those changes."""
    kept: tuple[tuple[T, ...], tuple[T, ...]] = (), ()

    @wraps(chooses)
    def wrapper(members: tuple[T, ...]) -> tuple[T, ...]:
        nonlocal kept
        before, found = kept
        if members is not before:
            gone, come = changes(before, members)
            if any(map(chooses, come)) or (found and any(map(chooses, gone))):
                found = tuple(filter(chooses, members))
            kept = members, found
        return found

    return wrapper


def joined_as_before(
    function: Callable[[T], tuple[Elements, ...]], width: int
) -> Callable[[tuple[T, ...]], tuple[Elements, ...]]:
    """Column by column the union of what each member gives; a column in which nothing changes is the same object.

    `width`: how many columns the function gives. What is much shorter than the tuple before is looked at by itself and
    not kept: a view of one pod comes between two of all.
    """
    nothing: tuple[dict[Any, int], ...] = tuple({} for _ in range(width))
    kept: tuple[tuple[T, ...], tuple[dict[Any, int], ...], tuple[Elements, ...]] = (
        (),
        nothing,
        tuple(frozenset() for _ in nothing),
    )

    @wraps(function)
    def wrapper(members: tuple[T, ...]) -> tuple[Elements, ...]:
        nonlocal kept
        before, counts, columns = kept
        if len(members) * MUCH < len(before):
            given = [function(member) for member in members]
            return tuple(Elements().union(*(columns[i] for columns in given)) for i in range(width))
        if members is not before:
            gone, come = changes(before, members)
            moves = [Counter[Any]() for _ in range(width)]
            for sign, some in ((-1, gone), (1, come)):
                for member in some:
                    for move, elements in zip(moves, function(member), strict=True):
                        for element in elements:
                            move[element] += sign
            counts = tuple(_moved(c, move) for c, move in zip(counts, moves, strict=True))
            columns = tuple(
                column if len(column) == len(count) and column == count.keys() else frozenset(count)
                for column, count in zip(columns, counts, strict=True)
            )
            kept = members, counts, columns
        return columns

    return wrapper


def _moved(counts: dict[Any, int], move: Counter[Any]) -> dict[Any, int]:
    """How many members give each element, after so many more or fewer."""
    if not any(move.values()):
        return counts
    after = dict(counts)
    for element, more in move.items():
        after[element] = after.get(element, 0) + more
        if not after[element]:
            del after[element]
    return after
