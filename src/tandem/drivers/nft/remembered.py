"""What rules have put into dynamic maps (affinity of clients): a table that is replaced does not forget it. Pure.

In: libnftables' listing of a map as JSON. Out: commands that put the same elements back, with the time they have left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tandem.drivers.nft.plan import AddContainer, Delta, ReplaceTable
from tandem.state import nft


def replaced(delta: Delta) -> tuple[nft.Map, ...]:
    """The dynamic maps of a table that is replaced by one transaction; none where it is changed."""
    if not replaces(delta):
        return ()
    made = (o.declared for o in delta.operations if isinstance(o, AddContainer))
    return tuple(m for m in made if isinstance(m, nft.Map) and m.dynamic)


def replaces(delta: Delta) -> bool:
    """True if the table is made anew."""
    return bool(delta.operations) and isinstance(delta.operations[0], ReplaceTable)


def put_back(declared: nft.Map, listed: Iterable[Mapping[str, Any]], table: str) -> str:
    """One command for what the kernel has in this map; empty where that is nothing, or was of another type."""
    elements: list[str] = []
    for found in (entry["map"] for entry in listed if "map" in entry):
        types = found["type"] if isinstance(found["type"], list) else [found["type"]]
        if tuple(types) == declared.type:
            elements += [text for text in map(_element, found.get("elem", ())) if text]
    return f"add element {table} {declared.name} {{ {', '.join(sorted(elements))} }}\n" if elements else ""


def _element(item: Any) -> str:
    key, data = item
    inner = key.get("elem", {}) if isinstance(key, dict) else {}
    value, timeout, left = inner.get("val"), inner.get("timeout", 0), inner.get("expires", 0)
    if not 0 < left <= timeout:
        return ""
    parts = value["concat"] if isinstance(value, dict) else [value]
    return f"{' . '.join(map(str, parts))} timeout {timeout}s expires {left}s : {data}"
