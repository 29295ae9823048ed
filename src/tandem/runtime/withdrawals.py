"""Nodes that leave their gateways: Worlds -> the writes of `cluster/withdrawals.py`, through an API client."""

from __future__ import annotations

from typing import Final

import structlog

from tandem.base.cell import Cell, any_newer
from tandem.base.clock import Clock
from tandem.cluster.withdrawals import Withdrawals
from tandem.ingest.errors import ApiError
from tandem.ingest.kube import KubeClient
from tandem.model.kinds import BY_KIND
from tandem.model.world import World

log = structlog.get_logger(__name__)
LOOK: Final = 0.5
"""Seconds until the next look while a node leaves, and until what was refused is tried again."""


class WithdrawalLoop:
    """One per cluster."""

    def __init__(self, client: KubeClient, worlds: Cell[World], clock: Clock) -> None:
        self._client = client
        self._worlds = worlds
        self._clock = clock
        self._withdrawals = Withdrawals()

    async def run(self) -> None:
        """Until cancelled."""
        refused = False
        while True:
            seen = self._worlds.version
            if self._worlds.value.synced:
                refused = not await self._settle(self._worlds.value)
            waits = refused or self._withdrawals.waits
            await any_newer((self._worlds, seen), seconds=LOOK if waits else None)

    async def _settle(self, world: World) -> bool:
        """False if something was refused."""
        done = True
        for write in self._withdrawals.writes(world, self._clock.monotonic()):
            try:
                await self._client.patch(BY_KIND[write.kind], "", write.name, write.patch)
            except ApiError as err:
                log.warning("not told on the node", node=write.name, reason=err.message)
                done = False
        return done
