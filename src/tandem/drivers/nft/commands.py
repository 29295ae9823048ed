"""Delta -> the text of one nft transaction."""

from __future__ import annotations

from typing import assert_never

import msgspec

from tandem.drivers.nft import plan
from tandem.state import nft, nft_text, ownership

_TABLE = f"inet {ownership.TABLE}"


def commands(delta: plan.Delta) -> str:
    """What libnftables runs as one transaction; a delta on a table that may not exist yet starts by adding it."""
    return "\n".join(_command(o) for o in delta.operations) + "\n"


def _command(operation: plan.Operation) -> str:  # noqa: PLR0911 one branch per operation of the union
    match operation:
        case plan.ReplaceTable():
            return f"{REMOVE}\nadd table {_TABLE}"
        case plan.AddChain(name, base):
            return f"create chain {_TABLE} {name}" + (f" {{ {nft_text.hook(base)} }}" if base else "")
        case plan.FlushChain(name):
            return f"flush chain {_TABLE} {name}"
        case plan.DeleteChain(name):
            return f"delete chain {_TABLE} {name}"
        case plan.AddRules(chain, rules):
            return "\n".join(f"add rule {_TABLE} {chain} {nft_text.rule(r)}" for r in rules)
        case plan.AddContainer(declared):
            return (
                f"create {_word(declared)} {_TABLE} {declared.name} {{ {'; '.join(nft_text.declaration(declared))}; }}"
            )
        case plan.DeleteContainer(declared):
            return f"delete {_word(declared)} {_TABLE} {declared.name}"
        case plan.AddElements(declared, elements):
            return f"add element {_TABLE} {declared.name} {{ {_elements(declared, elements)} }}"
        case plan.DeleteElements(declared, elements):
            return f"delete element {_TABLE} {declared.name} {{ {_elements(declared, elements)} }}"
        case _:
            assert_never(operation)


REMOVE = f"add table {_TABLE}\ndelete table {_TABLE}"
"""Deletes our table, there or not."""


def _word(container: plan.Container) -> str:
    return "map" if isinstance(container, nft.Map) else "set"


def _elements(container: plan.Container, elements: frozenset[nft.Key] | frozenset[plan.MapItem]) -> str:
    return ", ".join(nft_text.elements(msgspec.structs.replace(container, elements=elements)))
