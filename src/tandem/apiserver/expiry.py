"""Events go an hour after they were written last, and the oldest where there are too many: nobody else deletes them.

In: a Store. Out: removals. What was written before this process began is as old as it says itself to be.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from tandem.apiserver.columns import last_seen
from tandem.apiserver.eventforms import CORE
from tandem.apiserver.records import Record
from tandem.apiserver.store import StorageError, Store
from tandem.base.clock import Clock, parse_rfc3339

log = structlog.get_logger(__name__)

LIFE_SECONDS: Final = 3600.0
MOST: Final = 20_000
LOOK_SECONDS: Final = 30.0


class Expiry:
    """One per Store."""

    def __init__(self, store: Store, clock: Clock, *, most: int = MOST) -> None:
        self._store = store
        self._clock = clock
        self._most = most
        self._written: dict[tuple[str, str], tuple[int, float]] | None = None
        """Key -> version, and when that was first seen."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.sweep()
            await asyncio.sleep(LOOK_SECONDS)

    def sweep(self) -> None:
        """Remove what is over; where the disk takes nothing, the next sweep does."""
        now, before = self._clock.monotonic(), self._written
        found = self._store.select(CORE)
        written: dict[tuple[str, str], tuple[int, float]] = {}
        for record in found:
            known = before.get(record.key) if before is not None else (record.version, now - self._age(record))
            written[record.key] = known if known is not None and known[0] == record.version else (record.version, now)
        self._written = written
        newest = sorted(found, key=lambda record: written[record.key][1], reverse=True)
        over = [r for i, r in enumerate(newest) if i >= self._most or now - written[r.key][1] >= LIFE_SECONDS]
        if not over:
            return
        try:
            with self._store.transaction():
                for record in over:
                    self._store.remove(record)
        except StorageError as err:
            log.warning("events not removed", error=str(err))

    def _age(self, record: Record) -> float:
        try:
            return max(0.0, self._clock.now() - parse_rfc3339(last_seen(record.raw)))
        except ValueError:
            return 0.0
