"""Delta -> the text of one nft transaction."""

from __future__ import annotations

from typing import assert_never

import msgspec

from tandem.drivers.nft import plan
from tandem.state import nft, nft_text, ownership


def commands(delta: plan.Delta, table: str = ownership.TABLE, family: str = "inet") -> str:
    """What libnftables runs as one transaction; a delta on a table that may not exist yet starts by adding it."""
    return "\n".join(_command(o, f"{family} {table}") for o in delta.operations) + "\n"


def removal(table: str = ownership.TABLE, family: str = "inet") -> str:
    """Deletes a table of ours, there or not."""
    return f"add table {family} {table}\ndelete table {family} {table}"


def _command(operation: plan.Operation, table: str) -> str:  # noqa: PLR0911 one branch per operation of the union
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
        case plan.AddElements(declared, elements):
            return f"add element {table} {declared.name} {{ {_elements(declared, elements)} }}"
        case plan.DeleteElements(declared, elements):
            return f"delete element {table} {declared.name} {{ {_elements(declared, elements)} }}"
        case _:
            assert_never(operation)


def _word(container: plan.Container) -> str:
    return "map" if isinstance(container, nft.Map) else "set"


def _elements(container: plan.Container, elements: frozenset[nft.Key] | frozenset[plan.MapItem]) -> str:
    return ", ".join(nft_text.elements(msgspec.structs.replace(container, elements=elements)))
