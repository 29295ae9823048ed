"""Attachments whose DEL was answered, and what is left to take away of them: all that wait go at once.

In: attachments that the journal has as DELETING and whose links are cut. Out: policy, proxy, links and pins gone,
addresses free. The kernel takes 15 to 25 ms to end a link and as long to end fifty, so DEL does not wait for it.
Nothing depends on this for safety: the journal keeps the address taken, and after a kill `Verbs.recover` finishes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from tandem.base.problems import DriverError
from tandem.drivers.link.port import LinkDriver
from tandem.ipam.journal import Attachment, Journal, Key, Phase

_log: Final = logging.getLogger(__name__)
RETRY_SECONDS: Final = 1.0
GATHER_SECONDS: Final = 0.1
"""While links end, the kernel lets no other link be made or cut: better once for many pods than once for each."""


class Detaches(Protocol):
    """`verbs.Node`, as far as it is needed here."""

    async def detached(self, attachment: Attachment) -> None:
        """Returns when policy and listeners of this attachment are gone; raises DriverError."""


async def take_away(batch: tuple[Attachment, ...], journal: Journal, links: LinkDriver, node: Detaches) -> None:
    """End attachments that are cut off: proxy and policy first, or the kernel keeps the namespaces; the addresses last.

    Raises DriverError, alone or in a group; what was not ended is in the journal still.
    """
    async with asyncio.TaskGroup() as group:
        for attachment in batch:
            group.create_task(node.detached(attachment))
    await links.remove_all(tuple(attachment.host_ifname for attachment in batch))
    for attachment in batch:
        await links.unpin(attachment.container_id)
        journal.remove(attachment.key)


class Leaving:
    """One per node; `run` does the work until cancelled."""

    def __init__(
        self, journal: Journal, links: LinkDriver, node: Detaches, *, gather_seconds: float = GATHER_SECONDS
    ) -> None:
        self._gather = gather_seconds
        self._journal = journal
        self._links = links
        self._node = node
        self._waiting: dict[Key, Attachment] = {}
        self._going: dict[Key, Attachment] = {}
        self._more = asyncio.Event()
        self._turn = asyncio.Event()

    def add(self, attachment: Attachment) -> None:
        """Take over an attachment that is DELETING and cut off."""
        self._waiting[attachment.key] = attachment
        self._more.set()

    async def release(self, key: Key) -> None:
        """Hand an attachment back to a verb that must know its end: returns once no work on it is under way."""
        self._waiting.pop(key, None)
        while key in self._going:
            await self._turn.wait()
            self._waiting.pop(key, None)

    async def run(self) -> None:
        """Take away what waits; what the world refuses is tried again until it works or a verb takes it."""
        while True:
            await self._more.wait()
            await asyncio.sleep(self._gather)
            self._more.clear()
            self._going, self._waiting = self._waiting, {}
            failed = False
            try:
                await take_away(tuple(self._going.values()), self._journal, self._links, self._node)
            except* DriverError as errors:
                failed = True
                _log.warning("not taken away yet: %s", "; ".join(map(str, errors.exceptions)))
                self._waiting = {k: a for k, a in self._going.items() if self._is_left(a)} | self._waiting
            finally:
                self._going = {}
                self._turn.set()
                self._turn = asyncio.Event()
            if failed:
                await asyncio.sleep(RETRY_SECONDS)
                self._more.set()

    def _is_left(self, attachment: Attachment) -> bool:
        now = self._journal.get(attachment.key)
        return now is not None and now.phase is Phase.DELETING
