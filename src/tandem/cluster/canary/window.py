"""Windows: tallies of nodes at the beginning and now -> what both versions did between, and of whom that is not known.

A node is known of in a window if it was heard at the beginning and after the end, by an agent that has counted all the
time. Time is the monotonic clock of whoever listens: it is when something was heard that counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import msgspec

from tandem.ir.tally import Tallies, Tally


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """The newest that a node has told, and when it came."""

    tallies: Tallies
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From `since` on; `first` is what nodes had counted by then."""

    since: float
    first: Mapping[str, Tallies]
    clean: bool = True
    """Every node has had the weights in force that the window is about."""
    short: bool = False
    """It was told that requests were too few at its end: it goes on until there are enough."""

    def without(self, nodes: Collection[str]) -> Window:
        """The same, in which these nodes were away: what they tell later is not all that they did."""
        if not self.first.keys() & nodes:
            return self
        return replace(self, first={n: t for n, t in self.first.items() if n not in nodes})


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a window."""

    stable: Tally
    canary: Tally
    missing: tuple[str, ...] = ()
    """Nodes with clients of which not everything is known."""


def counted(
    window: Window, heard: Mapping[str, Heard], nodes: Collection[str], *, until: float, names: tuple[str, str, str]
) -> Counted:
    """Of the Canary `names[0]` and its versions, stable and new, in a window that ended at `until`."""
    canary, *versions = names
    sums, missing = [Tally(), Tally()], []
    for node in sorted(nodes):
        first, now = window.first.get(node), heard.get(node)
        if first is None or now is None or first.epoch != now.tallies.epoch:
            missing.append(node)
            continue
        found = [now.tallies.of(canary, v).since(first.of(canary, v)) for v in versions]
        sums = [before.plus(more or Tally()) for before, more in zip(sums, found, strict=True)]
        if now.at < until or None in found:
            missing.append(node)
    return Counted(stable=sums[0], canary=sums[1], missing=tuple(missing))
