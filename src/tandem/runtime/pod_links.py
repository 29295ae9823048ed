"""What others change of pods' links, addresses, routes, rules and settings: noticed soon, told, and put back.

In: the kernel's word that something changed in a pod, and the newest view. Out: repairs by `podnet/mending.py`; status.
A look at a pod costs a millisecond. It is due when the kernel says that something changed there, at most five times a
second, and otherwise every few minutes, for what the kernel does not tell. Looks have a fifth of a processor, however
much changes. What is missing meanwhile lets nothing pass that would not pass otherwise.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import structlog

from tandem.base.clock import Clock
from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.drivers.link.pods_watch import NOBODY, Culprit, PodLinksWatch
from tandem.drivers.nft.watch import Change
from tandem.ir.node import AttachedPod
from tandem.runtime.drift import RETRY_SECONDS, TOLD, told, unrepaired
from tandem.runtime.views import Views, newest_of

log = structlog.get_logger()

PAUSE_SECONDS: Final = 0.2
"""Between two looks at one pod."""
FIRST_SECONDS: Final = 1.0
"""From when a pod is known to the first look: an ADD has other things to do."""
SWEEP_SECONDS: Final = 300.0
"""After so long a pod is looked at of which the kernel told nothing."""
REST: Final = 4
"""After each look, so many times its length belong to others; and LONGEST_REST at most to other pods."""
LONGEST_REST: Final = 0.05


class Mends(Protocol):
    """`podnet.mending.Mending`, as far as it is needed here."""

    async def look(self, container_id: ContainerId) -> tuple[str, ...] | None:
        """What differs; None while somebody is busy with the container. Raises DriverError."""

    async def mend(self, container_id: ContainerId) -> tuple[str, ...]:
        """Put it back; the host ends that were made anew. Raises DriverError."""


class Fast(Protocol):
    """`FastPathLoop`, as far as it is needed here."""

    async def is_bare(self, host_ifname: str) -> bool:
        """Somebody took the filter of the fast path off this host end."""

    def renew(self, host_ifname: str) -> None:
        """The host end was made anew, or needs its filter again."""


class PodLinks:
    """One per agent; `name_of`: whose namespace that is."""

    def __init__(
        self,
        watch: PodLinksWatch,
        clock: Clock,
        name_of: Callable[[str], str],
        fast: Fast,
    ) -> None:
        self._watch = watch
        self._clock = clock
        self._name_of = name_of
        self._fast = fast
        self._pods: dict[str, tuple[ContainerId, str]] = {}
        """Container and host end by network namespace."""
        self._due: dict[str, float] = {}
        """When each is to be looked at, on the loop's clock."""
        self._rests: dict[str, float] = {}
        """Until when none of them is looked at, whatever happens there."""
        self._by: dict[str, Culprit] = {}
        """Who asked for the newest change since the last look."""
        self._sooner = asyncio.Event()
        self._changes: deque[tuple[float, str, Change]] = deque(maxlen=TOLD)
        self._open: dict[str, Change] = {}
        """What is not repaired."""
        self._failed: dict[str, str] = {}
        """Why a pod was not looked at, or not repaired."""
        self._found = self._repaired = 0
        self._deaf = ""

    async def run(self, mends: Mends, views: Views) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(views))
                tasks.create_task(self._hear())
                tasks.create_task(self._look_around(mends))
        finally:
            self._watch.close()

    async def _follow(self, views: Views) -> None:
        """All pods of the newest view, and no others."""
        seen = -1
        while True:
            seen, newest = await newest_of(views, seen, retry=None)
            pods = {pod.netns: pod for pod in newest.view.pods if pod.netns}
            for netns in self._pods.keys() - pods.keys():
                self._leave(netns)
            for netns in pods.keys() - self._pods.keys():
                self._join(pods[netns])
            self._pods = {netns: (pod.container_id, pod.host_ifname) for netns, pod in pods.items()}

    def _join(self, pod: AttachedPod) -> None:
        netns = pod.netns
        try:
            self._watch.follow(netns, pod.host_ifname, pod.addresses if pod.host_ifname else ())
        except DriverError as err:
            log.error("not watched", netns=netns, error=str(err))
        self._due[netns] = self._rests[netns] = asyncio.get_running_loop().time() + FIRST_SECONDS
        self._sooner.set()

    def _leave(self, netns: str) -> None:
        self._watch.leave(netns)
        for known in (self._due, self._rests, self._by, self._failed):
            known.pop(netns, None)
        self._close(netns)  # nothing is left of it

    async def _hear(self) -> None:
        while True:
            try:
                touched = await self._watch.touched()
            except DriverError as err:
                self._deaf = str(err)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._deaf = ""
            for netns in touched.keys() & self._due.keys():
                if touched[netns].pid:
                    self._by[netns] = touched[netns]
                self._due[netns] = min(self._due[netns], self._rests[netns])
            self._sooner.set()
            await asyncio.sleep(0.01)  # what comes in a burst is heard at once

    async def _look_around(self, mends: Mends) -> None:
        now = asyncio.get_running_loop().time
        while True:
            netns = await self._next(now)
            begun = now()
            # What comes from now on may come after the look at it.
            self._due[netns], self._rests[netns] = begun + SWEEP_SECONDS, begun
            again = await self._look(netns, self._by.pop(netns, NOBODY), mends)
            ended = now()
            if netns in self._due:  # else it has left meanwhile
                self._rests[netns] = ended + max(PAUSE_SECONDS, (ended - begun) * REST)
                self._due[netns] = max(min(self._due[netns], ended + again), self._rests[netns])
            await asyncio.sleep(min((ended - begun) * REST, LONGEST_REST))

    async def _next(self, now: Callable[[], float]) -> str:
        """The pod that is due, or the first to be."""
        while True:
            self._sooner.clear()
            netns = min(self._due, key=self._due.__getitem__, default="")
            seconds = self._due[netns] - now() if netns else None
            if seconds is not None and seconds <= 0:
                return netns
            try:
                async with asyncio.timeout(seconds):
                    await self._sooner.wait()
            except TimeoutError:
                pass

    async def _look(self, netns: str, by: Culprit, mends: Mends) -> float:
        """In how many seconds, at the latest, it is to be looked at again."""
        container, host_ifname = self._pods[netns]
        try:
            found = await mends.look(container)
            slow = await self._slow(host_ifname) if found is not None else ()
            if found or slow:
                self._tell(netns, Change(things=(*(found or ()), *slow), process=by.process, pid=by.pid))
            anew = await mends.mend(container) if found else ()
            for name in (*anew, *((host_ifname,) if slow else ())):
                self._fast.renew(name)
        except DriverError as err:
            log.error("network of a pod not looked at, or not repaired", pod=self._name_of(netns), error=str(err))
            if netns in self._due:
                self._failed[netns] = str(err)
            return RETRY_SECONDS
        if found is None:
            return PAUSE_SECONDS
        self._failed.pop(netns, None)
        self._close(netns)
        return SWEEP_SECONDS

    async def _slow(self, host_ifname: str) -> tuple[str, ...]:
        """CHECK does not ask for that: without it everything works, a little slower."""
        if not host_ifname or not await self._fast.is_bare(host_ifname):
            return ()
        return (f"{host_ifname} lacks the filter of the fast path",)

    def _tell(self, netns: str, change: Change) -> None:
        """Once for each change, however often its repair fails."""
        before = self._open.get(netns)
        if netns in self._due and (before is None or before.things != change.things):
            pod = self._name_of(netns)
            log.error(
                "network of a pod changed by others", pod=pod, by=change.process, pid=change.pid, what=change.things
            )
            self._found += before is None
            self._open[netns] = change
            self._changes.append((self._clock.now(), pod, change))

    def _close(self, netns: str) -> None:
        if self._open.pop(netns, None) is not None:
            self._repaired += 1

    def problems(self) -> tuple[str, ...]:
        """What is not repaired yet, pods that cannot be looked at, and a kernel that does not tell."""
        found = [f"changes in pods are not heard of: {self._deaf}"] if self._deaf else []
        for netns, change in self._open.items():
            found.append(unrepaired(change, f"the network of pod {self._name_of(netns) or netns}"))
        for netns, why in self._failed.items():
            found.append(f"the network of pod {self._name_of(netns) or netns} is not looked at, or not repaired: {why}")
        return tuple(found)

    def status(self) -> Mapping[str, Any]:
        """As `Drift.status`, each change with the pod."""
        newest = [{**told(time, change), "pod": pod} for time, pod, change in self._changes]
        return {"found": self._found, "repaired": self._repaired, "newest": newest}
