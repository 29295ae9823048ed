"""A large delta as several transactions, each of which leaves every packet the verdict of before or of after. Pure.

First what nothing refers to yet: new sets and maps with their elements, new chains with their rules. Then, in one
transaction, all that packets meet: elements of sets and maps that are there, chains that are there, base chains. Last
what nothing refers to any more. So the table judges as before up to that one transaction, and as wanted from it on; and
between two of them others get to the kernel, such as the ADD of a pod.

That transaction is not split, however large. A table that is replaced is one transaction, too, unless the kernel has
none (`fresh`): then base chains come last, and nothing is judged before all is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, assert_never

from tandem.drivers.nft.plan import (
    AddChain,
    AddContainer,
    AddCounters,
    AddElements,
    AddRules,
    DeleteChain,
    DeleteContainer,
    DeleteCounters,
    DeleteElements,
    Delta,
    FlushChain,
    Operation,
    ReplaceTable,
)

PART: Final = 4096
"""What goes into one transaction: the kernel takes it in some tens of milliseconds, and others wait no longer."""


def split(delta: Delta, bound: int = PART, *, fresh: bool = False) -> tuple[Delta, ...]:
    """`delta` in order, in parts of at most `bound` elements, rules and declarations; no part of an empty one.

    `fresh`: the kernel has no table of this name.
    """
    replaces = any(isinstance(o, ReplaceTable) for o in delta.operations)
    if _size(delta.operations) <= bound or (replaces and not fresh):
        return (delta,) if delta else ()
    before, switch, after = _stages(delta.operations)
    parts = [list(part) for part in _packed(before, bound)]
    if parts and _size(parts[-1]) + _size(switch) <= bound:
        switch = [*parts.pop(), *switch]
    later = [list(part) for part in _packed(after, bound)]
    whole = [*parts, *([switch] if switch else []), *later]
    last = len(whole) - 1
    return tuple(
        Delta(operations=tuple(operations), after=delta.after if i == last else None)
        for i, operations in enumerate(whole)
    )


def _stages(operations: Iterable[Operation]) -> tuple[list[Operation], list[Operation], list[Operation]]:
    """What nothing refers to yet, what packets meet, what nothing refers to any more."""
    operations = list(operations)
    added = {o.declared.name for o in operations if isinstance(o, AddContainer)}
    added_chains = {o.name for o in operations if isinstance(o, AddChain) and o.base is None}
    gone = {o.declared.name for o in operations if isinstance(o, DeleteContainer)}
    gone_chains = {o.name for o in operations if isinstance(o, DeleteChain) and not o.base}
    before: list[Operation] = []
    switch: list[Operation] = []
    after: list[Operation] = []
    for operation in operations:
        match operation:
            case ReplaceTable() | AddCounters() | AddContainer():
                stage = before
            case DeleteContainer() | DeleteCounters():
                stage = after
            case AddChain(name):
                stage = before if name in added_chains else switch
            case AddRules(name):
                stage = before if name in added_chains else switch
            case AddElements(declared):
                stage = before if declared.name in added else switch
            case DeleteElements(declared):
                stage = after if declared.name in gone else switch
            case FlushChain(name) | DeleteChain(name):
                stage = after if name in gone_chains else switch
            case _:
                assert_never(operation)
        stage.append(operation)
    return before, switch, after


def _size(operations: Iterable[Operation]) -> int:
    return sum(map(_weight, operations))


def _weight(operation: Operation) -> int:
    match operation:
        case AddElements(_, elements) | DeleteElements(_, elements):
            return len(elements)
        case AddRules(_, rules):
            return len(rules)
        case AddCounters(names) | DeleteCounters(names):
            return len(names)
        case _:
            return 1


def _packed(operations: Iterable[Operation], bound: int) -> Iterator[tuple[Operation, ...]]:
    """In the same order, as much as goes into one part."""
    part: list[Operation] = []
    room = bound
    for operation in operations:
        for piece in _pieces(operation, bound):
            weight = _weight(piece)
            if part and weight > room:
                yield tuple(part)
                part, room = [], bound
            part.append(piece)
            room -= weight
    if part:
        yield tuple(part)


def _pieces(operation: Operation, bound: int) -> Iterator[Operation]:
    match operation:
        case AddElements(declared, elements) | DeleteElements(declared, elements) if len(elements) > bound:
            ordered: list[Any] = list(elements)
            for i in range(0, len(ordered), bound):
                yield type(operation)(declared, frozenset(ordered[i : i + bound]))
        case AddRules(chain, rules) if len(rules) > bound:
            for i in range(0, len(rules), bound):
                yield AddRules(chain, rules[i : i + bound])
        case AddCounters(names) | DeleteCounters(names) if len(names) > bound:
            ordered_names = sorted(names)
            for i in range(0, len(ordered_names), bound):
                yield type(operation)(frozenset(ordered_names[i : i + bound]))
        case _:
            yield operation
