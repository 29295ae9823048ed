"""What the nodes report: flows in a bounded ring that readers can follow, and each node's own status.

In: report payloads (JSON bytes, `{"flows": […], "status": {…}, "holdings": {…}, …}`). Out: flows from a position on,
newest statuses, counts and holdings.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec

from tandem.base.cell import Cell
from tandem.ir.holdings import Holdings
from tandem.ir.names import Pair
from tandem.ir.tally import Tallies
from tandem.observe.counts import RuleCount
from tandem.observe.flow import Flow, Party

CAPACITY: Final = 20_000


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message from an agent."""

    flows: tuple[Flow, ...] = ()
    status: dict[str, Any] | None = None
    holdings: Holdings | None = None
    counts: tuple[RuleCount, ...] | None = None
    """Of every rule of the node that has decided anything."""
    tallies: Tallies | None = None
    """Of the versions that Canaries compare."""
    names: tuple[Pair, ...] | None = None
    """All that runtimes call containers of the node."""


_DECODER: Final = msgspec.json.Decoder(Report)
_ENCODER: Final = msgspec.json.Encoder()


def encode(report: Report) -> bytes:
    """The payload of a report."""
    return _ENCODER.encode(report)


class Reports:
    """Keeps the newest CAPACITY flows of the cluster and each node's newest status."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._flows: deque[Flow] = deque(maxlen=capacity)
        self._count = 0
        self._news = asyncio.Event()
        self.statuses: dict[str, dict[str, Any]] = {}
        self.counts: dict[str, tuple[RuleCount, ...]] = {}
        self.tallies: dict[str, Tallies] = {}
        self.names: dict[str, tuple[Pair, ...]] = {}
        self.holdings: Cell[Mapping[str, Holdings]] = Cell({})
        """What connected nodes have of addresses."""

    def add(self, node: str, payload: bytes, named: Callable[[Party], Party] = lambda party: party) -> None:
        """Take in one report of `node`, its ends `named`; raises msgspec.ValidationError if it is not of our form."""
        report = _DECODER.decode(payload)
        if report.status is not None:
            self.statuses[node] = report.status
        if report.counts is not None:
            self.counts[node] = report.counts
        if report.tallies is not None:
            self.tallies[node] = report.tallies
        if report.names is not None:
            self.names[node] = report.names
        if report.holdings is not None:
            self.holdings.put({**self.holdings.value, node: report.holdings})
        if report.flows:
            self._flows.extend(
                msgspec.structs.replace(f, source=named(f.source), destination=named(f.destination))
                for f in report.flows
            )
            self._count += len(report.flows)
            self._news.set()
            self._news = asyncio.Event()

    def unconnected(self, nodes: Collection[str]) -> tuple[str, ...]:
        """What these nodes say of their paths to others, each sentence once; empty where all is well."""
        said: dict[str, list[str]] = {}
        for node, status in sorted(self.statuses.items()):
            for text in status.get("network", {}).get("problems", ()) if node in nodes else ():
                said.setdefault(text, []).append(node)
        return tuple(f"node{'s' if len(by) > 1 else ''} {', '.join(by)}: {text}" for text, by in said.items())

    def forget(self, node: str) -> None:
        """The node is away: what it said of addresses and names may become untrue, and what it counts is not heard."""
        self.holdings.put({name: held for name, held in self.holdings.value.items() if name != node})
        self.tallies.pop(node, None)
        self.names.pop(node, None)

    def keys(self) -> dict[str, str]:
        """The public key of WireGuard that each node has told, by node."""
        found = {node: (status.get("encryption") or {}).get("publicKey") for node, status in self.statuses.items()}
        return {node: str(key) for node, key in sorted(found.items()) if key}

    def since(self, position: int) -> tuple[int, tuple[Flow, ...]]:
        """(the position after the newest flow, the flows from `position` on that are still kept)."""
        fresh = self._count - position
        kept = len(self._flows)
        start = max(0, kept - fresh)
        return self._count, tuple(self._flows[i] for i in range(start, kept)) if fresh > 0 else ()

    async def after(self, position: int) -> tuple[int, tuple[Flow, ...]]:
        """Like `since`, but waits until there is at least one."""
        while self._count <= position:
            await self._news.wait()
        return self.since(position)
