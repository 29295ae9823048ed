"""What others change of the node's tables: noticed at once, told, and repaired by the loop that applies views.

In: the kernel's word of foreign changes. Out: a number that grows with each, for the loop to wait for; status. From the
moment of the change until the repair nothing begins to or from a pod, by a table of its own (`compile/nft/shut.py`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from tandem.base.cell import Cell
from tandem.base.clock import Clock, rfc3339
from tandem.base.problems import DriverError
from tandem.compile.nft.shut import compile_shut
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.port import NftDriver
from tandem.drivers.nft.watch import Change, NftWatch

log = structlog.get_logger()

RETRY_SECONDS: Final = 5.0
TOLD: Final = 10
"""The newest changes that status tells of."""
_THINGS: Final = 4
_SIZES: Final = ("what", "table", "chain", "set", "rule", "element", "counter")
"""First words of what a change is told by, the largest first."""


class Drift:
    """One per agent."""

    def __init__(self, watch: NftWatch, shut: NftDriver, clock: Clock) -> None:
        self._watch = watch
        self._shut = shut
        self._clock = clock
        self._changes: deque[tuple[float, Change]] = deque(maxlen=TOLD)
        self._deaf = ""
        self.found: Cell[int] = Cell(0)
        """How many changes by others there were."""
        self.healed = -1
        """How many of them are repaired; -1: nothing was applied yet."""

    async def run(self) -> None:
        """Watch until cancelled. While the kernel does not tell, that is a problem of the node."""
        try:
            while True:
                await self._next()
        finally:
            self._watch.close()

    async def _next(self) -> None:
        try:
            change = await self._watch.foreign()
        except DriverError as err:
            self._deaf = str(err)
            await asyncio.sleep(RETRY_SECONDS)
            return
        self._deaf = ""
        log.error("tables changed by others", by=change.process, pid=change.pid, what=words(change))
        await self._close()
        self._changes.append((self._clock.now(), change))
        self.found.put(self.found.value + 1)

    async def own(self, work: Callable[[], None]) -> None:
        """A transaction of ours, in a thread; raises what it raises."""
        await self._watch.own(work)

    async def begin(self, table: NftDriver) -> None:
        """At the start, when control may be away: without a table from before, nothing begins until there is one."""
        try:
            present = await asyncio.to_thread(table.present)
        except DriverError as err:
            log.error("tables not read", error=str(err))
            present = True
        if not present:
            await self._close()

    async def _close(self) -> None:
        self._shut.forget()
        try:
            await self.own(lambda: self._shut.apply(plan(None, compile_shut())))
        except DriverError as err:
            log.error("not closed", error=str(err))

    async def repaired(self, number: int) -> None:
        """The tables are as they should be, as far as the first `number` changes; raises DriverError."""
        if number == self.healed:
            return
        if await asyncio.to_thread(self._shut.present):
            await self.own(self._shut.remove)
        if self.found.value != number:
            await self._close()  # one came meanwhile, and its closing was just undone
            return
        if number:
            log.info("tables repaired", changes=number - max(self.healed, 0))
        self.healed = number

    def problems(self) -> tuple[str, ...]:
        """What is not repaired yet, and a kernel that does not tell."""
        left = self.found.value - max(self.healed, 0)
        newest = [unrepaired(change, "the node's rules") for _, change in self._changes][-left:] if left else []
        return (*((f"drift is not seen: {self._deaf}",) if self._deaf else ()), *newest)

    def status(self) -> Mapping[str, Any]:
        """For `tandem status`."""
        return {
            "found": self.found.value,
            "repaired": max(self.healed, 0),
            "newest": [told(time, change) for time, change in self._changes],
        }


class PutBack:
    """What others changed and was put back at once, and by whom nobody tells: the newest of it, in words."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changes: deque[tuple[float, Change]] = deque(maxlen=TOLD)
        self._found = 0

    def note(self, what: str) -> None:
        """One more, now."""
        self._changes.append((self._clock.now(), Change(things=(what,))))
        self._found += 1

    def status(self) -> Mapping[str, Any]:
        """In the form of `Drift.status`."""
        newest = [told(time, change) for time, change in self._changes]
        return {"found": self._found, "repaired": self._found, "newest": newest}


def told(time: float, change: Change) -> dict[str, Any]:
    """A change as status tells of it."""
    return {"time": rfc3339(time), "by": change.process, "pid": change.pid, "what": list(change.things)}


def unrepaired(change: Change, where: str) -> str:
    """The sentence on a change of what is `where`."""
    by = f"{change.process} (process {change.pid})" if change.process else "somebody"
    return f"{by} changed {where}, not repaired yet: {words(change)}"


def words(change: Change) -> str:
    """The largest things first: with a table, all that is in it is told as well."""
    things = sorted(change.things, key=_size)
    shown = ", ".join(things[:_THINGS])
    more = len(change.things) - _THINGS
    return f"{shown} and {more} more" if more > 0 else shown


def _size(thing: str) -> int:
    first = thing.partition(" ")[0]
    return _SIZES.index(first) if first in _SIZES else 0
