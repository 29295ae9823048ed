"""Delta -> the text of one nft transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import msgspec

from tandem.drivers.nft import plan
from tandem.state import nft, nft_text, ownership

Counted = Mapping[str, tuple[int, int]]
"""Name of a counter -> packets and bytes."""


def commands(
    delta: plan.Delta, table: str = ownership.TABLE, family: str = "inet", counted: Counted | None = None
) -> str:
    """What libnftables runs as one transaction; a delta on a table that may not exist yet starts by adding it.

    `counted`: (packets, bytes) that counters begin with.
    """
    return "\n".join(_command(o, f"{family} {table}", counted or {}) for o in delta.operations) + "\n"


def removal(table: str = ownership.TABLE, family: str = "inet") -> str:
    """Deletes a table of ours, there or not."""
    return f"add table {family} {table}\ndelete table {family} {table}"


def _command(operation: plan.Operation, table: str, counted: Counted) -> str:  # noqa: C901, PLR0911 one branch per operation of the union
    match operation:
        case plan.ReplaceTable():
            return f"add table {table}\ndelete table {table}\nadd table {table}"
        case plan.AddChain(name, base):
            return f"create chain {table} {name}" + (f" {{ {nft_text.hook(base)} }}" if base else "")
        case plan.FlushChain(name):
            return f"flush chain {table} {name}"
        case plan.DeleteChain(name):
            return f"delete chain {table} {name}"
        case plan.AddRules(chain, rules):
            return "\n".join(f"add rule {table} {chain} {nft_text.rule(r)}" for r in rules)
        case plan.AddContainer(declared):
            return (
                f"create {_word(declared)} {table} {declared.name} {{ {'; '.join(nft_text.declaration(declared))}; }}"
            )
        case plan.DeleteContainer(declared):
            return f"delete {_word(declared)} {table} {declared.name}"
        case plan.AddCounters(names):
            return "\n".join(f"create counter {table} {name}{_start(counted, name)}" for name in sorted(names))
        case plan.DeleteCounters(names):
            return "\n".join(f"delete counter {table} {name}" for name in sorted(names))
        case plan.AddElements(declared, elements):
            return f"add element {table} {declared.name} {{ {_elements(declared, elements)} }}"
        case plan.DeleteElements(declared, elements):
            return f"delete element {table} {declared.name} {{ {_elements(declared, elements)} }}"
        case _:
            assert_never(operation)


def _start(counted: Counted, name: str) -> str:
    if name not in counted:
        return ""
    packets, size = counted[name]
    return f" packets {packets} bytes {size}"


def _word(container: plan.Container) -> str:
    return "map" if isinstance(container, nft.Map) else "set"


def _elements(container: plan.Container, elements: frozenset[nft.Key] | frozenset[plan.MapItem]) -> str:
    return ", ".join(nft_text.elements(msgspec.structs.replace(container, elements=elements)))
