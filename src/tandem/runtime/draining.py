"""Which terminating pods no node sends traffic to any more, kept up from World to World.

In: Worlds, with the Endpoints that were sent of them, and what nodes have acknowledged. Out: the pods that may be told
to end (`workloads/parting.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from tandem.base.table import Table, changes
from tandem.ir import wire
from tandem.ir.fabric import Endpoints
from tandem.model import core
from tandem.model.world import Key, World
from tandem.runtime.ledger import Ledger

DRAINED: Final = "tandem.io/drained"
"""Annotation on a terminating pod: every kernel and proxy has acknowledged that its endpoints are gone."""


class Draining:
    """One per control."""

    def __init__(self) -> None:
        self._leaving: dict[Key, core.Pod] = {}
        """Pods that terminate and are not known to be drained."""
        self._endpoints: Mapping[str, Endpoints] = Table()
        self._used: Counter[str] = Counter()
        """In how many places of the Endpoints an address is that is ready: who serves last does so to its end."""

    def note(self, earlier: World, world: World, endpoints: Mapping[str, Endpoints]) -> None:
        """Go on from a World to the next one, of which nodes were sent these Endpoints."""
        for key, (_, pod) in changes(earlier.all(core.Pod), world.all(core.Pod)).items():
            self._leaving.pop(key, None)
            if pod is not None and pod.terminating and pod.addresses and DRAINED not in pod.metadata.annotations:
                self._leaving[key] = pod
        before, self._endpoints = self._endpoints, endpoints
        for old, new in changes(before, endpoints).values():
            self._used.update(_ready(new))
            for address in _ready(old):
                self._used[address] -= 1
                if not self._used[address]:
                    del self._used[address]

    def drained(self, ledger: Ledger) -> list[core.Pod]:
        """Those whose addresses are in no Endpoints, which every connected node has in force as they are."""
        gone = [pod for _, pod in sorted(self._leaving.items()) if not any(a in self._used for a in pod.addresses)]
        up = (node for node in ledger.nodes if ledger.connected(node))
        return gone if gone and all(ledger.has_all(node, wire.URLS[Endpoints]) for node in up) else []


def _ready(endpoints: Endpoints | None) -> list[str]:
    return [e.address for e in endpoints.endpoints if e.ready] if endpoints is not None else []
