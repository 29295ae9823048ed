"""A table that is made anew, in several transactions: so that one of a hundred thousand elements stalls nobody. Pure.

Only for a kernel that has no such table: where there is one, it is replaced in one transaction, and every packet meets
the old table or the new one. The base chains come last: until then the kernel asks the table nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, cast

import msgspec

from tandem.drivers.nft.plan import (
    AddChain,
    AddContainer,
    AddCounters,
    AddElements,
    AddRules,
    Container,
    Delta,
    Operation,
    ReplaceTable,
)
from tandem.state import nft

BOUND: Final = 4096
"""Elements and rules in one transaction: some tens of milliseconds."""


def split(delta: Delta, bound: int = BOUND) -> tuple[Delta, ...]:
    """The same table by transactions of about so many elements and rules; any other delta as it is."""
    if not delta.operations or not isinstance(delta.operations[0], ReplaceTable) or _size(delta.operations) <= bound:
        return (delta,) if delta else ()
    hooked = {o.name for o in delta.operations if isinstance(o, AddChain) and o.base is not None}
    last = [o for o in delta.operations if _chain(o) in hooked]
    filling = [o for o in delta.operations if isinstance(o, AddElements | AddRules) and _chain(o) not in hooked]
    first: list[Operation] = [
        o for o in delta.operations if not isinstance(o, AddElements | AddRules) and _chain(o) not in hooked
    ]
    parts: list[list[Operation]] = [first, *_packed(filling, bound), last]
    made, table = list[Delta](), nft.Ruleset()
    for part in filter(None, parts):
        table = _grown(table, part)
        made.append(Delta(operations=tuple(part), after=table))
    return (*made[:-1], msgspec.structs.replace(made[-1], after=delta.after))


def _grown(table: nft.Ruleset, operations: Iterable[Operation]) -> nft.Ruleset:
    """What `plan.apply` says of operations that only add, without its questions whether the kernel would take them."""
    chains = {c.name: c for c in table.chains}
    containers: dict[str, Container] = {**{s.name: s for s in table.sets}, **{m.name: m for m in table.maps}}
    counters = table.counters
    for operation in operations:
        match operation:
            case AddChain(name, base):
                chains[name] = nft.Chain(name=name, base=base)
            case AddRules(name, rules):
                chains[name] = msgspec.structs.replace(chains[name], rules=chains[name].rules + rules)
            case AddContainer(declared):
                containers[declared.name] = declared
            case AddCounters(names):
                counters |= names
            case AddElements(declared, elements):
                old = containers[declared.name]
                containers[declared.name] = msgspec.structs.replace(old, elements=frozenset(old.elements) | elements)
            case _:
                continue  # the table is empty at first, and nothing is taken away
    return nft.ruleset(
        chains=tuple(chains.values()),
        sets=tuple(c for c in containers.values() if isinstance(c, nft.Set)),
        maps=tuple(c for c in containers.values() if isinstance(c, nft.Map)),
        counters=counters,
    )


def _chain(operation: Operation) -> str:
    match operation:
        case AddChain(name, _):
            return name
        case AddRules(name, _):
            return name
        case _:
            return ""


def _size(operations: Iterable[Operation]) -> int:
    return sum(_weight(o) for o in operations)


def _weight(operation: Operation) -> int:
    match operation:
        case AddElements(_, elements):
            return len(elements)
        case AddRules(_, rules):
            return len(rules)
        case _:
            return 0


def _packed(operations: Iterable[Operation], bound: int) -> Iterator[list[Operation]]:
    """Into parts of about `bound`; a large set is cut up, a chain is not."""
    part: list[Operation] = []
    for operation in operations:
        for piece in _pieces(operation, bound):
            if part and _size(part) + _weight(piece) > bound:
                yield part
                part = []
            part.append(piece)
    if part:
        yield part


def _pieces(operation: Operation, bound: int) -> Iterator[Operation]:
    if not isinstance(operation, AddElements):
        yield operation
        return
    left = iter(operation.elements)
    while piece := frozenset(islice(left, bound)):
        yield AddElements(operation.declared, cast("frozenset[nft.Key]", piece))
