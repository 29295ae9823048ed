"""Who waits until every connected node has some resources in force: the ADD of a pod that others have rules about.

In: the ledger, and of which node something was entered. Out: a return. A node that speaks wakes only who waits for it,
and only it is asked about then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from tandem.runtime.ledger import Ledger, ResourceKey


@dataclass(eq=False, slots=True)
class _Wait:
    keys: tuple[ResourceKey, ...]
    nodes: set[str]
    """Those that have not got there yet."""
    done: asyncio.Event


class Awaited:
    """One per control."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waits: dict[str, set[_Wait]] = {}

    async def everywhere(self, keys: Iterable[ResourceKey]) -> None:
        """Return once each node that is connected has accepted what it was last sent of these, or is not any more."""
        wanted = tuple(keys)
        left = {n for n in self._ledger.nodes if not self._is_settled(n, wanted)} if wanted else set[str]()
        if not left:
            return
        wait = _Wait(wanted, left, asyncio.Event())
        asked = frozenset(left)
        for node in asked:
            self._waits.setdefault(node, set()).add(wait)
        try:
            await wait.done.wait()
        finally:
            for node in asked:
                self._leave(node, wait)

    def heard(self, node: str) -> None:
        """The ledger has something new of this node."""
        for wait in tuple(self._waits.get(node, ())):
            if self._is_settled(node, wait.keys):
                self._leave(node, wait)
                wait.nodes.discard(node)
                if not wait.nodes:
                    wait.done.set()

    def _is_settled(self, node: str, keys: tuple[ResourceKey, ...]) -> bool:
        return not self._ledger.connected(node) or self._ledger.settled(node, keys)

    def _leave(self, node: str, wait: _Wait) -> None:
        waiting = self._waits.get(node, set())
        waiting.discard(wait)
        if not waiting:
            self._waits.pop(node, None)
