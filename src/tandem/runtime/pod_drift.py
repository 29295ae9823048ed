"""What others change of our tables inside pods' namespaces: noticed at once, told, repaired by those who made them.

In: the kernel's word of foreign changes. Out: a number that grows with each, for the loops to wait for; for each loop
the namespaces in which its table is to be made anew; status. That a pod's redirection into Envoy was gone for a moment
is no hole of the node: what its peers' nodes and its own enforce was there all the time.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from tandem.base.cell import Cell
from tandem.base.clock import Clock
from tandem.base.problems import DriverError
from tandem.drivers.nft.pods_watch import PodChange, PodsWatch
from tandem.runtime.drift import RETRY_SECONDS, TOLD, told, unrepaired, words

log = structlog.get_logger()

PAUSE_SECONDS: Final = 0.05
"""Between two looks at what was changed: who may change a pod's tables may do so faster than they are repaired."""
Place = tuple[str, str]
"""Network namespace and table."""


class PodDrift:
    """One per agent; `name_of` says whose namespace that is (`namespace/pod`), "" where it is not known."""

    def __init__(self, watch: PodsWatch, clock: Clock, name_of: Callable[[str], str]) -> None:
        self._watch = watch
        self._clock = clock
        self._name_of = name_of
        self._changes: deque[tuple[float, str, PodChange]] = deque(maxlen=TOLD)
        self._open: Counter[Place] = Counter()
        """Changes that no loop has taken up yet."""
        self._taken: Counter[Place] = Counter()
        """Changes that a loop repairs."""
        self._repaired = 0
        self._deaf = ""
        self.found: Cell[int] = Cell(0)
        """How many changes by others there were."""

    async def run(self) -> None:
        """Watch until cancelled. While the kernel does not tell, that is a problem of the node."""
        try:
            while True:
                await self._next()
        finally:
            self._watch.close()

    async def _next(self) -> None:
        try:
            several = await self._watch.foreign()
        except DriverError as err:
            self._deaf = str(err)
            await asyncio.sleep(RETRY_SECONDS)
            return
        self._deaf = ""
        for found in {(found.netns, found.table): found for found in several}.values():
            pod, by = self._name_of(found.netns), found.change
            log.error("tables of a pod changed by others", pod=pod, by=by.process, pid=by.pid, what=words(by))
            self._changes.append((self._clock.now(), pod, found))
        self._open.update((found.netns, found.table) for found in several)
        self.found.put(self.found.value + len(several))
        await asyncio.sleep(PAUSE_SECONDS)

    async def own(self, netns: str, table: str, work: Callable[[], None]) -> None:
        """A transaction of ours, in a thread; raises what it raises. What was taken up there is repaired by it."""
        await asyncio.to_thread(self._watch.own, netns, table, work)
        self._repaired += self._taken.pop((netns, table), 0)

    def take(self, table: str) -> frozenset[str]:
        """The namespaces in which this table was changed since this was last asked: it is to be made anew there."""
        places = [place for place in self._open if place[1] == table]
        for place in places:
            self._taken[place] += self._open.pop(place)
        return frozenset(netns for netns, _ in places)

    def leave(self, netns: str) -> None:
        """The pod is not on this node any more: what was changed there needs no repair."""
        self._watch.leave(netns)
        for counted in (self._open, self._taken):
            for place in [place for place in counted if place[0] == netns]:
                self._repaired += counted.pop(place)

    def problems(self) -> tuple[str, ...]:
        """What is not repaired yet, and a kernel that does not tell."""
        left = self._open.keys() | self._taken.keys()
        open_ = [
            unrepaired(found.change, f"the rules inside pod {pod or found.netns}")
            for _, pod, found in self._changes
            if (found.netns, found.table) in left
        ]
        return (*((f"drift in pods is not seen: {self._deaf}",) if self._deaf else ()), *dict.fromkeys(open_))

    def status(self) -> Mapping[str, Any]:
        """As `Drift.status`, each change with the pod."""
        newest = [{**told(time, found.change), "pod": pod} for time, pod, found in self._changes]
        return {"found": self.found.value, "repaired": self._repaired, "newest": newest}


def together(*several: Mapping[str, Any]) -> Mapping[str, Any]:
    """Several as one status: what others changed on this node and in its pods."""
    newest = sorted((change for one in several for change in one["newest"]), key=lambda change: str(change["time"]))
    return {**{word: sum(one[word] for one in several) for word in ("found", "repaired")}, "newest": newest[-TOLD:]}
