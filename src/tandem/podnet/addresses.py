"""Which addresses a pod gets: what control gave the node, minus what the journal knows to be in use. No I/O of its own.

In: the node's pool at this moment, the journal, the time. Out: one address per family, or a VerbError and none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tandem.base.clock import Clock
from tandem.ipam.pool import ANY, AddressRefusedError, Pool, PoolFullError, Use, Wanted
from tandem.ipam.store import Journal
from tandem.podnet.request import Code, VerbError

COOL_DOWN: Final = 30.0


class Addresses:
    """One per node."""

    def __init__(self, journal: Journal, pool: Callable[[], Pool], clock: Clock, *, cool_down: float) -> None:
        self._journal = journal
        self._pool = pool
        self._clock = clock
        self._cool_down = cool_down

    def give(self, wanted: Wanted = ANY) -> tuple[str, ...]:
        """One address of each family of the node; they are taken once they are in the journal."""
        try:
            return self._pool().give(wanted, self.use())
        except AddressRefusedError as error:
            raise VerbError(Code.ADDRESS_REFUSED, str(error)) from None
        except PoolFullError as error:
            raise VerbError(Code.POOL_FULL, str(error)) from None

    def use(self) -> Use:
        """What is in use, and what cools down."""
        return Use(
            taken=self._journal.taken(),
            released=self._journal.released(),
            last=self._journal.last(),
            now=self._clock.monotonic(),
            cool_down=self._cool_down,
        )
