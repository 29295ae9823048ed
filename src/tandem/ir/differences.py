"""Of two versions of a value, which objects they differ by. Pure.

In: two IR values of one name. Out: the Origins of whatever is another thing now, so that one route more concerns that
route, and not the gateway that it came to. What is shared by both costs a comparison of references.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, get_args, get_type_hints

import msgspec

from tandem.base.problems import Origin

_NAMING: Final = ("namespace", "name", "host", "port", "service", "origin")
"""Fields by which parts of two versions are found to be the same part."""
_Owners = frozenset[Origin]


def origins_in(value: object) -> Iterator[Origin]:
    """Every Origin inside a value."""
    if isinstance(value, Origin):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in _bearing(type(value)):
            found = getattr(value, name)
            if found:
                yield from origins_in(found)
    elif isinstance(value, tuple):
        for item in value:
            yield from origins_in(item)


@cache
def _bearing(cls: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields in which there can be an Origin: of most there are none."""
    return tuple(name for name, hint in get_type_hints(cls).items() if Origin in _reached(hint))


def _reached(hint: Any) -> set[Any]:
    """The classes that a type is made of, in whatever depth."""
    found, left = set[Any](), [hint]
    while left:
        one = left.pop()
        if one in found:
            continue
        found.add(one)
        left += get_args(one)
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            left += get_type_hints(one).values()
    return found


def differing(old: object, new: object) -> frozenset[Origin]:
    """The objects of which `new` has another part than `old`; those that one of them does not have are among them.

    A struct is of the objects that it names; one that names none is of those that the struct around it is of, and of
    those inside it: a host with routes is of these, and weights are of the Canary that is named beside them.
    """
    return frozenset(_differing(old, new, frozenset()))


def _differing(old: Any, new: Any, owners: _Owners) -> Iterator[Origin]:
    if old is new or old == new:
        return
    if isinstance(old, tuple) and isinstance(new, tuple):
        yield from _of_tuples(old, new, owners)
    elif isinstance(old, msgspec.Struct) and type(old) is type(new):
        own = _named(old) | _named(new)
        for name in old.__struct_fields__:
            before, now = getattr(old, name), getattr(new, name)
            if before is now or before == now:
                continue
            if _has_origins(before) or _has_origins(now):
                yield from _differing(before, now, own or owners)
            else:
                yield from own or {*owners, *origins_in(old), *origins_in(new)}
    else:
        yield from {*origins_in(old), *origins_in(new)} or owners


def _of_tuples(old: tuple[Any, ...], new: tuple[Any, ...], owners: _Owners) -> Iterator[Origin]:
    old, new = _trimmed(old, new)
    left, came = _without(old, new), _without(new, old)
    kept = [[item for item in items if item not in gone] for items, gone in ((old, left), (new, came))]
    if kept[0] != kept[1]:  # in another order, or more often
        yield from {*origins_in(tuple(kept[0])), *origins_in(tuple(kept[1]))} or owners
    places: dict[object, list[object]] = {}
    for item in left:
        places.setdefault(_place(item), []).append(item)
    for item in came:
        same = places.get(_place(item))
        if same:
            yield from _differing(same.pop(0), item, owners)
        else:
            yield from set(origins_in(item)) or owners
    for item in (item for items in places.values() for item in items):
        yield from set(origins_in(item)) or owners


def _trimmed(old: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Without what both begin with, and what both end with."""
    most = min(len(old), len(new))
    first = next((i for i in range(most) if old[i] != new[i]), most)
    most -= first
    last = next((i for i in range(most) if old[-1 - i] != new[-1 - i]), most)
    return old[first : len(old) - last], new[first : len(new) - last]


def _without(items: tuple[Any, ...], others: tuple[Any, ...]) -> list[Any]:
    """Those that are not among the others; most of them are the very same objects there."""
    known = {id(other) for other in others}
    rest = [item for item in items if id(item) not in known]
    mine = {id(item) for item in items} if rest else set[int]()
    against = [other for other in others if id(other) not in mine]
    return [item for item in rest if item not in against]


def _place(item: object) -> object:
    return type(item), *(repr(getattr(item, name, None)) for name in _NAMING)


def _named(value: msgspec.Struct) -> _Owners:
    """What a struct itself says that it comes from."""
    found = [getattr(value, name) for name in value.__struct_fields__]
    several = (one for item in found if isinstance(item, tuple) for one in item if isinstance(one, Origin))
    return frozenset((*(item for item in found if isinstance(item, Origin)), *several))


def _has_origins(value: object) -> bool:
    return next(origins_in(value), None) is not None
