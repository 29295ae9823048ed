"""The loop that lets pods through chains of other programs where that is custom, and tells of all others that drop.

In: the newest NodeView. Out: our rules in iptables' chain FORWARD, of iptables-nft and iptables-legacy, for as long as
the chain drops what it does not know (docs/design/0077); sentences on what is dropped all the same. Nothing waits for
it: a pod that starts beside Docker is let through a second later at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

import structlog

from tandem.base.clock import Clock
from tandem.base.problems import DriverError
from tandem.compile.firewall import compile_openings
from tandem.drivers.firewall.chains import FORWARD, Filter, changes, closes, opened, place, remedy
from tandem.drivers.firewall.port import Firewall
from tandem.drivers.nft.barriers import HOOKS, barriers
from tandem.ir.node import NodeView
from tandem.runtime.drift import PutBack
from tandem.runtime.views import Views
from tandem.state.firewall import Openings

log = structlog.get_logger()

TICK_SECONDS: Final = 1.0
"""Between two questions whether tables are others than before."""
LEGACY_SECONDS: Final = 5.0
"""Between two looks where there is iptables-legacy, of which the kernel tells nothing."""
LOOK_SECONDS: Final = 30.0
"""Between two looks in any case."""
SPARED: Final = 20.0
"""So many times as long as the last look took, nothing is looked at: a node's own transactions are changes too."""
_CHAINS: Final = {FORWARD: HOOKS["forward"], "INPUT": HOOKS["input"]}


class FirewallLoop:
    """One per agent."""

    def __init__(self, firewall: Firewall, clock: Clock) -> None:
        self._firewall = firewall
        self._state: object = None
        self._seen: NodeView | None = None
        self._wanted: tuple[Openings, tuple[str, ...]] | None = None
        self._looked = self._spared = float("-inf")
        self._opened: frozenset[str] = frozenset()
        """Chains with rules of ours, by name."""
        self._told: tuple[str, ...] = ()
        self._legacy = False
        self._lost = PutBack(clock)

    async def run(self, views: Views) -> None:
        """Until cancelled; what was let through stays so, as everything of ours does."""
        while True:
            newest = views.value
            if newest is not None and await self._due(newest.view):
                await self._look(newest.view)
            await asyncio.sleep(TICK_SECONDS)

    async def _due(self, view: NodeView) -> bool:
        now = asyncio.get_running_loop().time()
        if not _alike(self._seen, view) and (compile_openings(view), view.node.prefixes) != self._wanted:
            return True
        self._seen = view
        if now < self._spared:
            return False
        past = now - self._looked
        if past >= LOOK_SECONDS or (self._legacy and past >= LEGACY_SECONDS):
            return True
        return await asyncio.to_thread(self._firewall.state) != self._state

    async def _look(self, view: NodeView) -> None:
        loop, before = asyncio.get_running_loop(), self._told
        begun = loop.time()
        self._wanted = compile_openings(view), view.node.prefixes
        try:
            # Of before the look: what changes meanwhile is looked at again.
            self._state = await asyncio.to_thread(self._firewall.state)
            self._told = await asyncio.to_thread(self._open, *self._wanted)
        except DriverError as err:
            self._told = (f"chains of other programs are not as pods need them: {err}",)
        self._looked = loop.time()
        self._spared = self._looked + SPARED * (self._looked - begun)
        if self._told != before:
            log.warning("chains of other programs", drop=self._told)

    def _open(self, openings: Openings, prefixes: tuple[str, ...]) -> tuple[str, ...]:
        """Write what is wanted, and say what drops after that; in a thread."""
        for table in self._firewall.read().tables:
            if text := changes(table, openings.get(table.version, ())):
                self._note(table)
                self._firewall.change(table, text)
        found = self._firewall.read()
        self._legacy = any(table.kind == "legacy" for table in found.tables)
        self._opened = frozenset(table.shown for table in found.tables if opened(table))
        read = [("ip" if table.version == 4 else "ip6", "filter") for table in found.tables if table.kind == "nft"]
        of_iptables = (text for table in found.tables for text in _dropping(table, openings, prefixes))
        return (*of_iptables, *found.unread, *barriers(prefixes, besides=read))

    def _note(self, table: Filter) -> None:
        """Rules that were there at the last look and are not any more were taken out by somebody."""
        if table.shown in self._opened and place(table) is not None:
            log.warning("rules taken out by others, and put back", chain=table.shown)
            self._lost.note(f"rules of {table.shown} removed")
        else:
            log.info("chain of others", chain=table.shown, opened=place(table) is not None)

    @property
    def opened(self) -> tuple[str, ...]:
        """Chains of others that have rules of ours."""
        return tuple(sorted(self._opened))

    def problems(self) -> tuple[str, ...]:
        """Chains that drop what pods send, one sentence each, with what to do."""
        return self._told

    def status(self) -> Mapping[str, Any]:
        """Of rules that others took out, in the form of `Drift.status`."""
        return self._lost.status()


def _alike(before: NodeView | None, now: NodeView) -> bool:
    """Whether nothing can be wanted otherwise: parts of views that are the same objects are unchanged."""
    return before is not None and all(
        getattr(before, part) is getattr(now, part) for part in ("node", "nodes", "config")
    )


def _dropping(table: Filter, openings: Openings, prefixes: tuple[str, ...]) -> Iterator[str]:
    own = [prefix for prefix in prefixes if (":" in prefix) == (table.version == 6)]
    for chain, what in _CHAINS.items():
        let = chain == FORWARD and table.version in openings
        if own and not let and closes(table, chain, own):
            where = f"the chain {chain} of {table.command}"
            yield f"{where} drops {what} unless a rule there accepts it: {remedy(table, chain)}"
