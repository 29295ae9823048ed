"""What runtimes call the containers of a node within their networks (capability `aliases`), known to the whole cluster.

The agent tells control, control writes it to the Node, and every node's DNS answers it: so it outlives a restart of
control, and goes when the node is lost. The text form is that of the Node's annotation. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Final

import msgspec

from tandem.base.ids import NodeName

LONGEST_NAME: Final = 100
MOST_BYTES: Final = 128 * 1024
"""Of the text: an object of the API has room for twice as much in all its annotations."""
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")

Pair = tuple[str, str]
"""(`NAME.NETWORK`, address)."""


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """Of one node; `pairs` are sorted."""

    node: NodeName
    pairs: tuple[Pair, ...] = ()


def is_host_name(text: str) -> bool:
    """Labels of letters, digits, `-` and `_`, with room for the cluster's domain behind them."""
    return len(text) <= LONGEST_NAME and all(_LABEL.fullmatch(label) for label in text.split("."))


def is_full(text: str) -> bool:
    """The same with the network behind it."""
    return (
        "." in text and len(text) <= 2 * LONGEST_NAME + 1 and all(_LABEL.fullmatch(label) for label in text.split("."))
    )


def write_names(pairs: Iterable[Pair]) -> str:
    """`{"db.tandem":["10.244.0.4"]}` of sorted pairs; empty of none."""
    found = {name: [address for _, address in group] for name, group in groupby(pairs, key=itemgetter(0))}
    return msgspec.json.encode(found).decode() if found else ""


def read_names(text: str) -> tuple[Pair, ...]:
    """Sorted pairs; none at all of a text that is not of that form, and of names only those that can be answered."""
    try:
        found: Mapping[str, tuple[str, ...]] = msgspec.json.decode(text, type=dict[str, tuple[str, ...]])
    except msgspec.DecodeError:
        return ()
    return tuple(sorted((name, address) for name in found if is_full(name) for address in found[name]))


def told_of(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """As many of them, from the first on, as there is room for."""
    size, fit = 0, 0
    for name, address in pairs:
        size += len(name) + len(address) + len('"":[""],')
        if size > MOST_BYTES:
            break
        fit += 1
    return pairs[:fit]
