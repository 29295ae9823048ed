"""Writes Events of what is said, without holding up who says it.

In: `Said`. Out: Events through the API, after a moment in which the same is counted; a server that does not answer is
tried again, one that refuses is not. What cannot be told is logged, and nothing else depends on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog

from tandem.base.clock import Clock
from tandem.ingest.correlator import REMEMBERED, Correlator, Entry, Newest
from tandem.ingest.errors import AlreadyExists, ApiError, NotFound
from tandem.model.kinds import BY_KIND, Kind
from tandem.model.meta import RawObject
from tandem.model.said import Said

log = structlog.get_logger(__name__)

GATHER_SECONDS: Final = 0.25
AGAIN_SECONDS: Final = 2.0
TRIES: Final = 12
_EVENT: Final = BY_KIND["Event"]
_SERVER_ERROR: Final = 500

Tell = Callable[[Said], None]


class Writer(Protocol):
    """The part of KubeClient that is needed."""

    async def create(self, kind: Kind, raw: RawObject) -> RawObject:
        """Make an object."""

    async def get(self, kind: Kind, namespace: str, name: str) -> RawObject:
        """Read an object."""

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: dict[str, Any], *, subresource: str = ""
    ) -> RawObject:
        """Merge a patch."""


class Recorder:
    """One per process; `component` and `host` say who tells."""

    def __init__(self, client: Writer, component: str, clock: Clock, *, host: str = "") -> None:
        self._client = client
        self._correlator = Correlator(component, host, clock)
        self._counts: Newest[str, int] = Newest(REMEMBERED)
        """How often each Event happened, by its name, with what is written."""
        self._news = asyncio.Event()

    def tell(self, said: Said) -> None:
        """Never waits."""
        if self._correlator.take(said):
            self._news.set()
        else:
            log.debug("event dropped", about=said.about.name, reason=said.reason, dropped=self._correlator.dropped)

    async def run(self) -> None:
        """Until cancelled; what waits then is not told."""
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._news.clear()
            await self.settle()

    async def settle(self) -> None:
        """Write what waits."""
        tries = 0
        while (entry := self._correlator.next()) is not None:
            try:
                await self._write(entry)
            except ApiError as err:
                tries += 1
                if not _passes(err) or tries > TRIES:
                    log.info(
                        "event not written", about=entry.said.about.name, reason=entry.said.reason, why=err.message
                    )
                    continue
                self._correlator.back(entry)
                await asyncio.sleep(AGAIN_SECONDS)
            except Exception:
                # Whatever it is, it must end neither control nor a runtime.
                log.exception("event not written", about=entry.said.about.name, reason=entry.said.reason)
            else:
                tries = 0

    async def _write(self, entry: Entry) -> None:
        known = self._counts.get(entry.name)
        if known is None:
            try:
                await self._client.create(_EVENT, self._correlator.event(entry))
            except AlreadyExists:  # of an earlier life of this process
                there = await self._client.get(_EVENT, entry.namespace, entry.name)
                known = int(there.get("count") or 0)
            else:
                self._counts.put(entry.name, entry.times)
                return
        count = known + entry.times
        try:
            await self._client.patch(_EVENT, entry.namespace, entry.name, entry.patch(count))
        except NotFound:  # its time was over
            self._counts.drop(entry.name)
            await self._client.create(_EVENT, self._correlator.event(entry))
            count = entry.times
        self._counts.put(entry.name, count)


def _passes(err: ApiError) -> bool:
    """True for what another try may mend: no answer, or a fault of the server's."""
    return err.status == 0 or err.status >= _SERVER_ERROR
