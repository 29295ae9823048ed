"""What the kernel's table lacks of what was compiled: read back by libnftables, which the usual way never does.

Chains are compared by the number and the comments of their rules, sets and maps by those keys that hold one of `atoms`,
and by the keys in `also`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tandem.base.problems import DriverError
from tandem.drivers.nft.real import listing
from tandem.state import nft


def missing(
    expected: nft.Ruleset,
    *,
    chains: Iterable[str],
    atoms: frozenset[str],
    also: frozenset[nft.Key] = frozenset(),
    netns: str = "",
) -> tuple[str, ...]:
    """One sentence for each of these chains and for each element of a pod that is not as compiled."""
    name = f"{expected.family} {expected.table}"
    table = f"{ownership_of(netns)} table {name}"
    wanted = [expected.chain(name) for name in chains]
    found = [text for chain in wanted for text in _chain(chain, name, table, netns)]
    containers: tuple[nft.Set | nft.Map, ...] = (*expected.sets, *expected.maps)
    for container in containers:
        keys = [key for key in _keys(container) if key in also or atoms.intersection(key)]
        if keys:
            found += _elements(container, keys, table=(name, table), netns=netns)
    return tuple(found)


def ownership_of(netns: str) -> str:
    """Whose table it is, in words."""
    return "the pod's" if netns else "the node's"


def _keys(container: nft.Set | nft.Map) -> Iterator[nft.Key]:
    for element in container.elements:
        if isinstance(container, nft.Map):
            yield element[0]  # type: ignore[misc]
        else:
            yield element  # type: ignore[misc]


def _chain(chain: nft.Chain, table: str, where: str, netns: str) -> Iterator[str]:
    rules = _read(f"list chain {table} {chain.name}", "rule", netns)
    if rules is None:
        yield f"{where} lacks the chain {chain.name}"
        return
    given, have = [rule.comment for rule in chain.rules], [str(rule.get("comment", "")) for rule in rules]
    if given != have:
        yield f"chain {chain.name} of {where} is not as compiled: {len(have)} rules, not {len(given)}, or others"


def _elements(
    container: nft.Set | nft.Map, keys: list[nft.Key], *, table: tuple[str, str], netns: str
) -> Iterator[str]:
    kind = "map" if isinstance(container, nft.Map) else "set"
    declared = _read(f"list {kind} {table[0]} {container.name}", kind, netns)
    if declared is None:
        yield f"{table[1]} lacks the {kind} {container.name}"
        return
    have = {_key(element, is_map=kind == "map") for one in declared for element in one.get("elem", ())}
    for key in sorted(keys, key=str):
        if tuple(str(atom) for atom in key) not in have:
            yield f"{kind} {container.name} of {table[1]} lacks {' . '.join(str(atom) for atom in key)}"


def _key(element: Any, *, is_map: bool) -> tuple[str, ...]:
    key = element[0] if is_map else element
    if isinstance(key, dict) and "elem" in key:
        key = key["elem"]["val"]
    parts = key["concat"] if isinstance(key, dict) and "concat" in key else [key]
    return tuple(str(part) for part in parts)


def _read(command: str, kind: str, netns: str) -> list[dict[str, Any]] | None:
    try:
        objects = listing(command, netns)
    except DriverError:
        return None
    return [item[kind] for item in objects if kind in item]
