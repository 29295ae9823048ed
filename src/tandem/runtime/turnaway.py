"""While a node leaves its gateways, its Envoy turns their clients away.

In: the newest NodeView. Out: what Envoy was told last; it answers all the same.
"""

from __future__ import annotations

from typing import Final

import structlog

from tandem.base.problems import DriverError
from tandem.drivers.envoy.port import Proxy
from tandem.runtime.views import Views, newest_of

log = structlog.get_logger(__name__)
RETRY_SECONDS: Final = 0.5
"""Until Envoy is told again what it did not take."""


class TurnAwayLoop:
    """One per agent. What an earlier agent told Envoy is not known, so it is told once in any case."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    async def run(self, views: Views) -> None:
        """Until cancelled; what Envoy does not take is told again."""
        seen, told = -1, None
        while True:
            seen, newest = await newest_of(views, seen, retry=RETRY_SECONDS if told is None else None)
            leaving = newest.view.node.leaving
            if leaving is told:
                continue
            try:
                await self._proxy.turn_away(clients=leaving)
            except DriverError as err:
                log.debug("Envoy not told of clients to turn away", error=str(err))
                told = None
                continue
            told = leaving
            if leaving:
                log.info("clients of gateways are turned away: this node is leaving them")
