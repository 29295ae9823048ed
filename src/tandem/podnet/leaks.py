"""Containers whose runtime went away without a DEL: found by two observations a grace period apart, and taken away.

A container lives if its runtime's path still leads to its namespace, if a process is in that namespace, or if control
knows its Pod on this node and no later container of the Pod. It is looked at once more under its lock, and all of its
interfaces go together or none does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from tandem.base.clock import Clock
from tandem.base.ids import ContainerId, PodUid
from tandem.ipam.journal import Attachment, Journal, Phase
from tandem.podnet.theirs import Theirs

_log: Final = logging.getLogger(__name__)
SHORTEST, LONGEST = 0.5, 60.0
"""Seconds between two observations: a third of the grace period within these bounds."""
Abandoned = Callable[[tuple[Attachment, ...]], Awaitable[frozenset[ContainerId]]]
"""Which containers of these nobody has any more, by the kernel."""


_Life = tuple[ContainerId, tuple[str, ...]]
"""A container with its addresses: one that is added again under the same id has others."""


class Ends(Protocol):
    """`Verbs`, as far as it is needed here."""

    async def end(self, container_id: ContainerId, still: Callable[[], Awaitable[bool]]) -> tuple[str, ...]:
        """Takes a container away if it is still so under its lock; what could not be done, one sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    """Who knows what lives."""

    abandoned: Abandoned
    has_pod: Callable[[PodUid], bool]
    """Control knows this Pod on this node."""


class Leaks:
    """One per node."""

    theirs: Theirs | None = None
    """Those of `host-local`, looked at as often."""

    def __init__(self, journal: Journal, verbs: Ends, witnesses: Witnesses, clock: Clock, *, grace: float) -> None:
        self._journal = journal
        self._verbs = verbs
        self._witnesses = witnesses
        self._clock = clock
        self._grace = grace
        self._since: dict[_Life, float] = {}

    async def run(self) -> None:
        """Observe until cancelled."""
        while True:
            await asyncio.sleep(max(SHORTEST, min(LONGEST, self._grace / 3)))
            if self.theirs is not None:
                self.theirs.observe()
            for sentence in await self.observe():
                _log.error("leaked container is not taken away: %s", sentence)

    async def observe(self) -> tuple[str, ...]:
        """One observation; what it could not take away, one sentence each."""
        now = self._clock.monotonic()
        leaked = await self.leaked()
        lives = [(container, self._addresses(container)) for container in sorted(leaked)]
        self._since = {life: self._since.get(life, now) for life in lives}
        failed: list[str] = []
        for (container, addresses), since in tuple(self._since.items()):
            if 0 < now - since >= self._grace:
                _log.warning("container %s is gone without a DEL, its addresses are free: %s", container, addresses)
                failed += await self._verbs.end(container, partial(self._is_leaked, container))
        return tuple(failed)

    async def leaked(self) -> frozenset[ContainerId]:
        """Containers of which nothing lives at this moment."""
        ready = tuple(a for a in self._journal.all() if a.phase is Phase.READY)
        gone = await self._witnesses.abandoned(ready)
        return frozenset(c for c in gone if not any(self._is_expected(a, ready) for a in ready if a.container_id == c))

    async def is_live(self, container: ContainerId) -> bool:
        """False also for a container that is being taken away."""
        ready = any(a.phase is Phase.READY for a in self._journal.of(container))
        return ready and not await self._is_leaked(container)

    async def _is_leaked(self, container: ContainerId) -> bool:
        return container in await self.leaked()

    def _addresses(self, container: ContainerId) -> tuple[str, ...]:
        return tuple(a for one in self._journal.of(container) for a in one.addresses)

    def _is_expected(self, attachment: Attachment, ready: tuple[Attachment, ...]) -> bool:
        """Its Pod is there and has no other container: the runtime may be on the way to it."""
        if not attachment.namespace or not self._witnesses.has_pod(attachment.pod_uid):
            return False
        return not any(a.pod_uid == attachment.pod_uid and a.container_id != attachment.container_id for a in ready)
