"""The loop that shows a node to its neighbours: addresses of load balancers, and health checks.

In: the newest NodeView and what the kernel loop has in force. Out: addresses that are answered for, announcements,
ports; what could not be. An address is given up at once and taken only when the rules behind it are in the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

import structlog

from tandem.base.cell import Cell, any_newer
from tandem.base.problems import DriverError, Origin
from tandem.compile.outward import announced_for, compile_outward
from tandem.drivers.announce.port import LEASE_SECONDS, Announcer, Holding
from tandem.drivers.health import HealthServer
from tandem.runtime.views import Numbered, Outcome, Views
from tandem.state.outward import Outward

log = structlog.get_logger()

RENEW_SECONDS: Final = LEASE_SECONDS / 5
REPEATS: Final = (0.0, 0.1, 0.5, 1.0, 3.0)
"""Seconds before each announcement of an address that was taken: one may be lost."""
DEFEND_SECONDS: Final = 10.0
"""An address that somebody else announces too is announced again once in so long (RFC 5227, section 2.4)."""
_CONTESTED: Final = "another host of its network announces it too"
_NOWHERE: Final = "it lies in no subnet of this node's links, so no neighbour is told of it"


class OutwardLoop:
    """One per agent. `outcome` tells the number of the view that is shown, and the Services that are not announced."""

    def __init__(
        self, announcer: Announcer, health: HealthServer, kernel: Cell[Outcome], *, control: Cell[bool]
    ) -> None:
        self._announcer = announcer
        self._control = control
        self._yielded: frozenset[str] = frozenset()
        self._defended: dict[str, float] = {}
        self._health = health
        self._kernel = kernel
        self._held: frozenset[str] = frozenset()
        self._swept = False
        self._known: tuple[Numbered, Outward, Mapping[str, Origin]] | None = None
        self.outcome: Cell[Outcome] = Cell(Outcome())

    def unannounced(self) -> list[dict[str, str]]:
        """Services with an address that no neighbour is told of, and why."""
        found = self.outcome.value.origins
        return [{"namespace": o.namespace, "name": o.name, "message": text} for o, text in sorted(found.items())]

    async def run(self, views: Views) -> None:
        """Follow views and kernel; renew what is held. Until cancelled: what is held then ends by itself."""
        with contextlib.suppress(DriverError):  # what an earlier agent held is kept until it is known better
            self._held = frozenset(await self._announcer.owned())
        try:
            await self._follow(views)
        finally:
            await self._announcer.close()

    async def _follow(self, views: Views) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                seen = (views, views.version), (self._kernel, self._kernel.version)
                defended = await self._listen()
                if taken := await self._show(views.value):
                    log.info("addresses taken", addresses=sorted(taken))
                    tasks.create_task(self._announce(taken, REPEATS))
                if defended:
                    tasks.create_task(self._announce(defended, REPEATS[:1]))
                # A new view, something new in the kernel, or time to renew.
                await any_newer(*seen, seconds=RENEW_SECONDS)

    async def _listen(self) -> frozenset[str]:
        """Somebody else announces what is held here: addresses to defend, where control says that they are ours.

        Without control this node may have been given up for lost: then it yields, until control is heard again.
        """
        if self._control.value:
            self._yielded = frozenset()
        if not self._held:
            return frozenset()
        try:
            contested = await self._announcer.contested()
        except DriverError as err:
            log.warning("not heard whether others announce our addresses", error=str(err))
            return frozenset()
        if self._control.value:
            return self._due(contested)
        if contested:
            log.warning(
                "addresses yielded: another node announces them and control is away", addresses=sorted(contested)
            )
        self._yielded |= contested
        return frozenset()

    def _due(self, contested: frozenset[str]) -> frozenset[str]:
        """Of those the ones that were not defended lately."""
        now = asyncio.get_running_loop().time()
        self._defended = {a: since for a, since in self._defended.items() if now < since + DEFEND_SECONDS}
        due = contested - self._defended.keys()
        self._defended |= dict.fromkeys(due, now)
        return due

    async def _show(self, newest: Numbered | None) -> frozenset[str]:
        """One round; returns addresses that were taken."""
        if newest is None:
            await self._hold(self._held - self._yielded)
            return frozenset()
        outward, owners = self._compiled(newest)
        kernel = self._kernel.value
        failed = await self._health.serve(outward.checks, healthy=not kernel.failed)
        ready = kernel.number >= newest.number
        wanted = frozenset(outward.addresses) - self._yielded
        holding = await self._hold(wanted if ready else wanted & self._held)
        if holding is None or not ready:
            return frozenset()
        # Where there is BGP, routers are told of the others.
        nowhere = frozenset() if newest.view.config.network.bgp is not None else holding.nowhere
        failed |= {f"announce/{address}": f"{address}: {_NOWHERE}" for address in nowhere}
        failed |= {f"contested/{address}": f"{address}: {_CONTESTED}" for address in self._held & self._defended.keys()}
        # A gateway is in force for this cluster all the same; of Services the condition has always told it.
        told = (address for address in nowhere if owners[address].kind == "Service")
        origins = {owners[address]: f"{address}: {_NOWHERE}" for address in told}
        self.outcome.put(Outcome(number=newest.number, failed=failed, origins=origins))
        return holding.taken

    async def _hold(self, addresses: frozenset[str]) -> Holding | None:
        """None where it was refused: it is tried again in the next round."""
        if self._swept and not addresses and not self._held:
            return Holding()
        try:
            holding = await self._announcer.hold(addresses)
        except DriverError as err:
            log.error("addresses not held", error=str(err))
            before = self.outcome.value
            failed = {**before.failed, "announce": str(err)}
            self.outcome.put(Outcome(number=before.number, failed=failed, origins=before.origins))
            return None
        self._held, self._swept = addresses, True
        return holding

    def _compiled(self, newest: Numbered) -> tuple[Outward, Mapping[str, Origin]]:
        if self._known is None or self._known[0] is not newest:
            self._known = (newest, compile_outward(newest.view), announced_for(newest.view))
        return self._known[1:]

    async def _announce(self, addresses: frozenset[str], pauses: tuple[float, ...]) -> None:
        for pause in pauses:
            await asyncio.sleep(pause)
            left = addresses & self._held
            if not left:
                return
            try:
                await self._announcer.announce(left)
            except DriverError as err:
                log.warning("not announced", addresses=sorted(left), error=str(err))
