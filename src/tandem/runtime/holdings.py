"""A node's side of the sharing of addresses: which it may give now, and what it tells control of them.

In: the slice that control sent, the journal. Out: the Pool for ADD; reports, once a second where something has changed
and at once when an ADD found nothing. Nothing here waits for control as long as an address of the node is free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from tandem.base.addresses import host_prefix
from tandem.base.block import Block
from tandem.base.clock import Clock
from tandem.base.entries import Given, joined_values
from tandem.base.memo import same_as_before
from tandem.ipam.journal import Journal, use_of
from tandem.ipam.pool import Pool, Use
from tandem.ir.fabric import LocalPod, Mark, Node
from tandem.ir.holdings import BlockUse, Holdings
from tandem.podnet.addresses import COOL_DOWN
from tandem.runtime.reports import Report, encode
from tandem.runtime.slice import Slice

LEAK_GRACE: Final = 900.0
PEERS_WAIT: Final = 1.0
TELL_SECONDS: Final = 1.0
SPARE: Final = 4
"""How many addresses of each family are named that could be lent."""
LEAST_LOW: Final = 1
MOST_LOW: Final = 32
SHARE_LOW: Final = 4
"""A family runs low where less than one part in so many is free, within these bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long things wait on a node, in seconds, and where its figures are served."""

    cool_down: float = COOL_DOWN
    """Before an address that was given up is given again; a block unused for twice as long may go back."""
    leak_grace: float = LEAK_GRACE
    """Before the addresses of a container that is gone are taken back."""
    peers_wait: float = PEERS_WAIT
    """For which ADD waits, at most, until other nodes' rules know the pod."""
    metrics: str = ""
    """HOST:PORT on which the agent's figures are served as well; empty: on its socket alone."""


LIMITS: Final = Limits()
NOTHING: Final = Pool(blocks=(), families=())


class Holder:
    """One per agent. `connected` says whether anybody listens."""

    def __init__(
        self,
        slice_: Slice,
        journal: Journal,
        clock: Clock,
        *,
        cool_down: float,
        report: Callable[[bytes], None],
        connected: Callable[[], bool],
    ) -> None:
        self._slice = slice_
        self._journal = journal
        self._clock = clock
        self._cool_down = cool_down
        self._idle_seconds = 2 * cool_down
        self._report = report
        self._connected = connected
        self._made: tuple[int, Pool] = (-1, NOTHING)
        self._idle_since: dict[str, float] = {}
        self._told: Holdings | None = None
        self._hurry = asyncio.Event()
        self._news = asyncio.Event()

    def pool(self) -> Pool:
        """The addresses that this node may give at this moment; made anew when control has said something."""
        revision, pool = self._made
        if revision != self._slice.revision.value:
            pool = self._make_pool()
            self._made = (self._slice.revision.value, pool)
        return pool

    def news(self) -> None:
        """Control has said something."""
        self._news.set()
        self._news = asyncio.Event()

    def again(self) -> None:
        """Control is new and knows nothing."""
        self._told = None
        self._hurry.set()

    async def more(self, seconds: float) -> bool:
        """Tell control at once how few are left, and wait for its word; False if it is no use."""
        if not self._connected():
            return False
        news = self._news
        self._hurry.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), seconds)
        return True

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            if self._slice.node is not None:
                holdings = self.holdings()
                if holdings != self._told:
                    self._report(encode(Report(holdings=holdings)))
                    self._told = holdings
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), TELL_SECONDS)
            self._hurry.clear()

    def use(self) -> Use:
        """What is in use of them."""
        return use_of(self._journal, self._clock, cool_down=self._cool_down)

    def holdings(self) -> Holdings:
        """What control is told."""
        pool, use, node = self.pool(), self.use(), self._slice.node
        if node is None:
            return Holdings()
        blocks = tuple(
            BlockUse(
                prefix=c.prefix,
                size=c.size,
                used=c.used,
                cooling=c.cooling,
                free=c.free,
                closed=c.prefix in pool.closed,
            )
            for c in pool.counts(use)
        )
        busy = {a for a in (*use.taken, *use.released) if a in use.taken or use.cools(a)}
        marks = [m for m in node.lent if m.id]
        closed = [m for m in node.closed if m.id]
        if use.blind:
            marks = closed = []  # what may have been in use until lately is given to nobody, and nobody knows what was
        return Holdings(
            blocks=blocks,
            low={version: _low(pool, version) for version in pool.families},
            spare=pool.spare(use, most=SPARE),
            agreed=_ids(m for m in marks if m.prefix not in busy),
            declined=_ids(m for m in marks if m.prefix in busy),
            returned=_ids(m for m in closed if not any(a in Block(m.prefix) for a in busy)),
            strays=tuple(sorted(a for a in busy if not any(a in block for block in pool.blocks))),
            idle=tuple(self._idle(blocks, use.now)),
        )

    def _idle(self, blocks: tuple[BlockUse, ...], now: float) -> Iterator[str]:
        unused = {b.prefix for b in blocks if not b.used and not b.cooling}
        self._idle_since = {prefix: self._idle_since.get(prefix, now) for prefix in sorted(unused)}
        return (prefix for prefix, since in self._idle_since.items() if now - since >= self._idle_seconds)

    def _make_pool(self) -> Pool:
        node, config = self._slice.node, self._slice.config
        if node is None:
            return NOTHING
        (asked,) = _asked(self._slice.by_uid)
        return _pool_of(node, config.reserved if config is not None else (), asked)


@joined_values(1)
def _asked(pod: LocalPod) -> Given:
    """The addresses that pods ask for: of the thousand pods of a node mostly none."""
    return ({address: address for address in pod.addresses},)


@same_as_before
def _pool_of(node: Node, reserved: tuple[str, ...], asked: tuple[str, ...]) -> Pool:
    blocks = tuple(Block(prefix) for prefix in node.prefixes)
    return Pool(
        blocks=blocks,
        families=tuple(dict.fromkeys((*(b.family for b in blocks), *node.families))),
        closed=frozenset(m.prefix for m in node.closed),
        withheld=frozenset(m.prefix for m in node.lent),
        reserved=(*reserved, *(host_prefix(a) for a in asked if node.holds(a))),
    )


def _low(pool: Pool, version: int) -> int:
    size = sum(b.size for b in pool.blocks if b.family == version and b.size > 1)
    return max(LEAST_LOW, min(MOST_LOW, size // SHARE_LOW))


def _ids(marks: Iterator[Mark]) -> tuple[str, ...]:
    return tuple(sorted(m.id for m in marks))
