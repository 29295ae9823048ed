"""The loop that keeps the fast path of established connections equal to the newest NodeView.

In: the newest NodeView. Out: an eBPF program at pods' links, or none, and why. Nothing waits for it: what does not go
the fast path goes through the chains.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import structlog

from tandem.base.cell import Cell, any_newer
from tandem.base.problems import DriverError
from tandem.compile.fastpath import compile_fast_path
from tandem.drivers.bpf.plan import plan
from tandem.drivers.bpf.port import Delta, FastPathDriver
from tandem.observe import conntrack
from tandem.runtime.views import Views, newest_of
from tandem.state.fastpath import FastPath

log = structlog.get_logger()

PAUSE: Final = 0.2
"""Without news, before anything is done: ADDs and DELs that are under way have the kernel's lock for themselves."""
LONGEST: Final = 2.0
"""That news can put it off."""
LOOK_SECONDS: Final = 5.0
"""Until a link that was not there is looked for again."""
KEEP_SECONDS: Final = 30.0
"""Until it is looked at again whether connection tracking is fit: of a change the kernel tells nothing."""
AGAIN_SECONDS: Final = 60.0
"""Until a kernel that refused is asked again."""
OFF: Final = "switched off by Network default"


class FastPathLoop:
    """One per agent. `prepare` makes connection tracking fit for it: before the first link has it, and now and then.

    Else what others set there would make it judge sequence numbers of which it has seen a part only. `establish` tells
    connection tracking of what is established, where links go on without it.
    """

    def __init__(
        self,
        driver: FastPathDriver,
        prepare: Callable[[], Awaitable[None]],
        establish: Callable[[], int] = conntrack.establish,
    ) -> None:
        self._driver = driver
        self._prepare = prepare
        self._establish = establish
        self._prepared = float("-inf")
        self._count = 0
        self._why = "not yet"
        self._renewals: Cell[int] = Cell(0)
        self._anew: set[str] = set()
        """Links that were made anew, or stripped: what is held of them is of before."""

    async def is_bare(self, host_ifname: str) -> bool:
        """True where somebody took the filter off: the link's packets go through the chains, until `renew`."""
        with suppress(DriverError):
            return await self._driver.is_bare(host_ifname)
        return False

    def renew(self, host_ifname: str) -> None:
        """Another link has this name now, or it lost its filter."""
        self._anew.add(host_ifname)
        self._renewals.put(self._renewals.value + 1)

    async def run(self, views: Views) -> None:
        """Follow each newest view, until cancelled."""
        seen, renewals, retry = -1, 0, None
        while True:
            await newest_of(views, seen, (self._renewals, renewals), retry=retry)
            renewals = self._renewals.version
            try:
                await self._forget()
                await self._settle(views)
                seen, newest = await newest_of(views, -1, retry=None)
                retry = KEEP_SECONDS if await self._follow(compile_fast_path(newest.view)) else LOOK_SECONDS
            except DriverError as err:
                await self._refused(str(err))
            else:
                self._why = "" if newest.view.config.network.fast_path else OFF

    async def _forget(self) -> None:
        """Let go of links that are other ones by now: what is sent to those before is lost."""
        if self._anew:
            held = await self._driver.read()
            gone = tuple(sorted(end for end in held.ends if end.host_ifname in self._anew))
            await self._apply(Delta(drop=gone, detach=tuple(sorted(held.links & self._anew))))
            self._anew.clear()

    async def _settle(self, views: Views) -> None:
        """Return when there was no news for a moment, or was for long enough; what is gone is forgotten at once."""
        clock = asyncio.get_running_loop().time
        deadline, version = clock() + LONGEST, -1
        while version != views.version and clock() < deadline:
            version, newest = await newest_of(views, -1, retry=None)
            # The next pod with such an address may be there soon.
            gone = (await self._driver.read()).ends - compile_fast_path(newest.view)
            if gone:
                await self._driver.apply(Delta(drop=tuple(sorted(gone))))
            await any_newer((views, version), seconds=PAUSE)

    async def _follow(self, wanted: FastPath) -> bool:
        """False if a link was not there."""
        self._count = len(wanted)
        now = asyncio.get_running_loop().time()
        if wanted and now - self._prepared >= KEEP_SECONDS:
            await self._prepare()
            self._prepared = now
        delta = plan(await self._driver.read(), wanted)
        if not delta:
            return True
        await self._apply(delta)
        return not plan(await self._driver.read(), wanted)

    async def _apply(self, delta: Delta) -> None:
        if await self._driver.apply(delta):
            await asyncio.to_thread(self._establish)

    async def _refused(self, why: str) -> None:
        """Nothing is fast then: a program that an earlier agent left would go on with what it knows."""
        if why != self._why:
            log.warning("no fast path", why=why)
        self._why, self._count = why, 0
        with suppress(DriverError):
            await self._apply(plan(await self._driver.read(), ()))
        await asyncio.sleep(AGAIN_SECONDS)

    async def status(self) -> dict[str, Any]:
        """For `tandem status`."""
        with suppress(DriverError):
            return {"addresses": self._count, "packets": await self._driver.packets(), "why": self._why}
        return {"addresses": self._count, "packets": 0, "why": self._why}
