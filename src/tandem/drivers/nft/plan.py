"""plan(actual, desired): the operations of one transaction, and `apply`, what they mean. Pure.

Elements of sets and maps are added and deleted one by one; a chain whose rules differ is flushed and filled again,
which keeps what refers to it; everything else stays as it is. Without knowledge of the actual state, or when the
declaration of something that exists changed, the table is replaced as a whole, in the same one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import compress
from operator import is_not
from typing import Any, TypeVar, assert_never, cast

import msgspec

from tandem.base.members import between, difference
from tandem.state import nft
from tandem.state.nft import Struct

MapItem = tuple[nft.Key, nft.Verdict | nft.Key]
Container = nft.Set | nft.Map
V = TypeVar("V")
Part = TypeVar("Part", nft.Chain, nft.Set, nft.Map)
_Pairs = list[tuple[V | None, V | None]]
_LOOKUPS = nft.Dispatch | nft.CountBy | nft.DnatMap | nft.LookupMark | nft.Remember | nft.Forget


class ReplaceTable(Struct, frozen=True):
    """Drop whatever the table holds; an empty table is there afterwards."""


class AddChain(Struct, frozen=True):
    """Declare a chain, without rules."""

    name: str
    base: nft.Hook | None


class FlushChain(Struct, frozen=True):
    """Remove all rules of a chain."""

    name: str


class DeleteChain(Struct, frozen=True):
    """Remove an empty chain that nothing refers to."""

    name: str
    base: bool = False
    """Packets met it by its hook."""


class AddRules(Struct, frozen=True):
    """Append rules to a chain."""

    chain: str
    rules: tuple[nft.Rule, ...]


class AddContainer(Struct, frozen=True):
    """Declare a set or map, empty."""

    declared: Container


class DeleteContainer(Struct, frozen=True):
    """Remove a set or map that nothing refers to."""

    declared: Container


class AddCounters(Struct, frozen=True):
    """Declare counters, at nought."""

    names: frozenset[str]


class DeleteCounters(Struct, frozen=True):
    """Remove counters that nothing refers to."""

    names: frozenset[str]


class AddElements(Struct, frozen=True):
    """Add elements to a set (keys) or map (key, data)."""

    declared: Container
    elements: frozenset[nft.Key] | frozenset[MapItem]


class DeleteElements(Struct, frozen=True):
    """Remove elements that are there."""

    declared: Container
    elements: frozenset[nft.Key] | frozenset[MapItem]


Operation = (
    ReplaceTable
    | AddChain
    | FlushChain
    | DeleteChain
    | AddRules
    | AddContainer
    | DeleteContainer
    | AddCounters
    | DeleteCounters
    | AddElements
    | DeleteElements
)


class Delta(Struct, frozen=True, kw_only=True):
    """One transaction. False when there is nothing to do."""

    operations: tuple[Operation, ...] = ()
    after: nft.Ruleset | None = None
    """What the table is then, where that is known: `apply` says the same, at length."""

    def __bool__(self) -> bool:
        return bool(self.operations)


def plan(actual: nft.Ruleset | None, desired: nft.Ruleset) -> Delta:
    """What makes `desired` of `actual`; None: of whatever there is."""
    if actual is desired:
        return Delta(after=desired)
    if actual is None or _redeclares(*(changed := _changed(actual, desired))):
        changed = _changed(nft.Ruleset(), desired)
        operations = (ReplaceTable(), *_operations(*changed, _counters(nft.Ruleset(), desired)))
    else:
        operations = _operations(*changed, _counters(actual, desired))
    return Delta(operations=operations, after=desired)


def _redeclares(chains: _Pairs[nft.Chain], containers: _Pairs[Container]) -> bool:
    return any(old is not None and new is not None and old.base != new.base for old, new in chains) or any(
        old is not None and new is not None and _declared(old) != _declared(new) for old, new in containers
    )


def _changed(actual: nft.Ruleset, desired: nft.Ruleset) -> tuple[_Pairs[nft.Chain], _Pairs[Container]]:
    """Chains, and sets and maps, that are not the very same objects, by name: (before, now)."""
    containers: dict[str, tuple[Container | None, Container | None]] = {}
    for old, new in (*_pairs(actual.sets, desired.sets), *_pairs(actual.maps, desired.maps)):
        part = old or new
        assert part is not None  # noqa: S101 - one of the two is there
        name = part.name
        before, now = containers.get(name, (None, None))  # a set that has become a map has one name
        containers[name] = old or before, new or now
    return _pairs(actual.chains, desired.chains), [containers[name] for name in sorted(containers)]


def _counters(actual: nft.Ruleset, desired: nft.Ruleset) -> tuple[frozenset[str], frozenset[str]]:
    """Those that come, and those that go."""
    if desired.counters is actual.counters:
        return frozenset(), frozenset()
    return desired.counters - actual.counters, actual.counters - desired.counters


def _pairs(old: tuple[Part, ...], new: tuple[Part, ...]) -> _Pairs[Part]:
    if old is new:
        return []
    if len(old) == len(new):  # mostly the same parts, of which a few are others now
        found = list(compress(zip(old, new, strict=True), map(is_not, old, new)))
        if all(one.name == other.name for one, other in found):
            return cast("_Pairs[Part]", found)
    was, wanted = (dict(zip(map(id, parts), parts, strict=True)) for parts in between(old, new))
    before = {part.name: part for part in map(was.__getitem__, was.keys() - wanted.keys())}
    now = {part.name: part for part in map(wanted.__getitem__, wanted.keys() - was.keys())}
    return [(before.get(name), now.get(name)) for name in sorted(before.keys() | now.keys())]


def _operations(
    chains: _Pairs[nft.Chain], containers: _Pairs[Container], counters: tuple[frozenset[str], frozenset[str]]
) -> tuple[Operation, ...]:
    """Order: declare; empty what goes or changes; then fill; then delete what nothing refers to any more.

    Most parts are the same objects as before, and are not looked into.
    """
    more, fewer = counters
    gone = [old for old, new in chains if old is not None and new is None]
    changed = [(old, new) for old, new in chains if new is not None and (old is None or old.rules != new.rules)]
    declare: list[Operation] = [AddCounters(more)] if more else []
    declare += [AddContainer(_declared(new)) for old, new in containers if old is None and new is not None]
    declare += [AddChain(new.name, new.base) for old, new in chains if old is None and new is not None]
    empty: list[Operation] = []
    fill: list[Operation] = []
    for old, new in containers:
        remove, add = _element_changes(old, new)
        empty += remove
        fill += add
    refill = [old for old, _ in changed if old is not None]
    empty += [FlushChain(c.name) for c in (*gone, *refill) if c.rules]
    fill += [AddRules(new.name, new.rules) for _, new in changed if new.rules]
    delete: list[Operation] = [DeleteChain(c.name, c.base is not None) for c in gone]
    delete += [DeleteContainer(_declared(old)) for old, new in containers if old is not None and new is None]
    delete += [DeleteCounters(fewer)] if fewer else []
    return (*declare, *empty, *fill, *delete)


def _element_changes(old: Container | None, new: Container | None) -> tuple[list[Operation], list[Operation]]:
    declared = new or old
    if declared is None:
        return [], []
    before = old.elements if old else frozenset()
    after = new.elements if new else frozenset()
    if before is after:
        return [], []
    remove, add = difference(before, after)
    empty = _declared(declared)
    return (
        [DeleteElements(empty, remove)] if remove else [],
        [AddElements(empty, add)] if add else [],
    )


def apply(delta: Delta, actual: nft.Ruleset | None) -> nft.Ruleset:
    """The ruleset after `delta`; raises ValueError where the kernel would refuse an operation."""
    chains = _chains(actual or nft.Ruleset())
    containers = _containers(actual or nft.Ruleset())
    counters = set((actual or nft.Ruleset()).counters)
    for operation in delta.operations:
        if isinstance(operation, ReplaceTable):
            chains, containers, counters = {}, {}, set()
        elif isinstance(operation, AddCounters | DeleteCounters):
            _apply_counters(operation, counters, chains, containers)
        elif isinstance(operation, AddChain | FlushChain | DeleteChain | AddRules):
            _apply_chain(operation, chains, containers)
            _require_counters(operation, counters)
        else:
            _apply_container(operation, chains, containers)
            _require_counters(operation, counters)
    return nft.ruleset(
        chains=tuple(chains.values()),
        sets=tuple(c for c in containers.values() if isinstance(c, nft.Set)),
        maps=tuple(c for c in containers.values() if isinstance(c, nft.Map)),
        counters=frozenset(counters),
    )


def _apply_counters(
    operation: AddCounters | DeleteCounters,
    counters: set[str],
    chains: Mapping[str, nft.Chain],
    containers: Mapping[str, Container],
) -> None:
    if isinstance(operation, AddCounters):
        for name in operation.names:
            _require(name not in counters, f"counter {name}: exists already")
        counters |= operation.names
        return
    used = {name for chain in chains.values() for rule in chain.rules for name in counter_targets(rule)}
    used.update(name for container in containers.values() for name in _counted_by(container, container.elements))
    for name in operation.names:
        _require(name in counters, f"counter {name}: does not exist")
        _require(name not in used, f"counter {name}: in use")
    counters -= operation.names


def _require_counters(operation: Operation, counters: set[str]) -> None:
    named: Iterable[str] = ()
    if isinstance(operation, AddRules):
        named = (name for rule in operation.rules for name in counter_targets(rule))
    elif isinstance(operation, AddElements):
        named = _counted_by(operation.declared, operation.elements)
    for name in named:
        _require(name in counters, f"counter {name}: does not exist")


def _counted_by(container: Container, elements: Iterable[Any]) -> Iterator[str]:
    if isinstance(container, nft.Map) and container.data == ("counter",):
        yield from (data[0] for _, data in elements)


def _apply_chain(
    operation: AddChain | FlushChain | DeleteChain | AddRules,
    chains: dict[str, nft.Chain],
    containers: Mapping[str, Container],
) -> None:
    match operation:
        case AddChain(name, base):
            _require(name not in chains, f"chain {name}: exists already")
            chains[name] = nft.Chain(name=name, base=base)
        case FlushChain(name):
            old = _existing(chains, name, "chain")
            chains[name] = nft.Chain(name=name, base=old.base)
        case DeleteChain(name):
            _require(not _existing(chains, name, "chain").rules, f"chain {name}: not empty")
            users = [u for u, refers in _chain_references(chains, containers) if refers == name]
            _require(not users, f"chain {name}: in use by {users[:1]}")
            del chains[name]
        case AddRules(name, rules):
            old = _existing(chains, name, "chain")
            for rule in rules:
                for target in chain_targets(rule):
                    _existing(chains, target, "chain")
                for target in container_targets(rule):
                    _existing(containers, target, "set or map")
            chains[name] = nft.Chain(name=name, base=old.base, rules=old.rules + rules)
        case _:
            assert_never(operation)


def _apply_container(
    operation: AddContainer | DeleteContainer | AddElements | DeleteElements,
    chains: Mapping[str, nft.Chain],
    containers: dict[str, Container],
) -> None:
    name = operation.declared.name
    if isinstance(operation, AddContainer):
        _require(name not in containers, f"set or map {name}: exists already")
        containers[name] = operation.declared
        return
    old = _existing(containers, name, "set or map")
    if isinstance(operation, DeleteContainer):
        used = any(name in container_targets(r) for c in chains.values() for r in c.rules)
        _require(not used, f"set or map {name}: in use")
        del containers[name]
    elif isinstance(operation, AddElements):
        for item in operation.elements:
            if isinstance(old, nft.Map) and isinstance(item[1], nft.Jump | nft.Goto):
                _existing(chains, item[1].chain, "chain")
        containers[name] = _with(old, old.elements | operation.elements)
        if isinstance(old, nft.Map):
            keys = {item[0] for item in containers[name].elements}
            _require(len(keys) == len(containers[name].elements), f"map {name}: a key has two values")
    else:
        _require(operation.elements <= old.elements, f"set or map {name}: no such element")
        containers[name] = _with(old, old.elements - operation.elements)


def _require(holds: bool, text: str) -> None:  # noqa: FBT001 it is the condition
    if not holds:
        raise ValueError(text)


def _existing(values: Mapping[str, V], name: str, what: str) -> V:
    _require(name in values, f"{what} {name}: does not exist")
    return values[name]


def chain_targets(rule: nft.Rule) -> tuple[str, ...]:
    """The chains that a rule jumps to."""
    return tuple(s.chain for s in rule.then if isinstance(s, nft.Jump | nft.Goto))


def counter_targets(rule: nft.Rule) -> tuple[str, ...]:
    """The counters that a rule names."""
    return tuple(s.name for s in rule.then if isinstance(s, nft.Counter) and s.name)


def container_targets(rule: nft.Rule) -> tuple[str, ...]:
    """The sets and maps that a rule looks up."""
    sets = tuple(m.name for m in rule.match if isinstance(m, nft.InSet))
    return sets + tuple(s.map for s in rule.then if isinstance(s, _LOOKUPS))


def _chain_references(
    chains: Mapping[str, nft.Chain], containers: Mapping[str, Container]
) -> Iterable[tuple[str, str]]:
    for chain in chains.values():
        for rule in chain.rules:
            yield from ((chain.name, target) for target in chain_targets(rule))
    for container in containers.values():
        if isinstance(container, nft.Map):
            for _, data in container.elements:
                if isinstance(data, nft.Jump | nft.Goto):
                    yield container.name, data.chain


def _chains(ruleset: nft.Ruleset) -> dict[str, nft.Chain]:
    return {c.name: c for c in ruleset.chains}


def _containers(ruleset: nft.Ruleset) -> dict[str, Container]:
    return {**{s.name: s for s in ruleset.sets}, **{m.name: m for m in ruleset.maps}}


def _declared(container: Container) -> Container:
    return _with(container, frozenset())


def _with(container: Container, elements: frozenset[object]) -> Container:
    return msgspec.structs.replace(container, elements=elements)
