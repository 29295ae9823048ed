"""Attachments behind another plugin whose DEL was answered: what judges them stays until that plugin's link is gone.

A runtime calls the plugins of a list backwards, so that the link is still there when ours has answered, and whoever
still runs in the namespace would be unjudged and outside the mesh meanwhile. In: attachments that are READY. Out: the
journal has them as DELETING, and everything of ours is out once the link or the namespace is gone, or after
`LINK_SECONDS`: the other plugin may never do its part. A second DEL, and a new agent, do not wait.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from tandem.base.problems import DriverError
from tandem.ipam.journal import Attachment, Journal, Key, Phase
from tandem.podnet.chained import Chained
from tandem.podnet.turns import Turns

_log: Final = logging.getLogger(__name__)
LINK_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.05
RETRY_SECONDS: Final = 1.0


class Parting:
    """One per node; `run` does the work until cancelled."""

    def __init__(self, journal: Journal, chained: Chained, turns: Turns) -> None:
        self._journal = journal
        self._chained = chained
        self._turns = turns
        self._until: dict[Key, float] = {}
        self._more = asyncio.Event()

    async def leave(self, attachment: Attachment) -> None:
        """Give an attachment up, and leave the rest to `run`; raises DriverError, and then nothing is given up."""
        await self._chained.give_up(attachment)
        self._until[attachment.key] = asyncio.get_running_loop().time() + LINK_SECONDS
        self._more.set()

    async def run(self) -> None:
        """Look after each that was given up; what the world refuses is tried again."""
        while True:
            await self._more.wait()
            failed = [key for key in tuple(self._until) if not await self._ended(key)]
            if not self._until:
                self._more.clear()
            await asyncio.sleep(RETRY_SECONDS if failed else LOOK_SECONDS)

    async def _ended(self, key: Key) -> bool:
        """False if it was to be ended and could not be."""
        async with self._turns.of(key[0]):
            attachment = self._journal.get(key)
            if attachment is None or attachment.phase is not Phase.DELETING:
                del self._until[key]  # a verb has done it, and another ADD may have come since
                return True
            overdue = asyncio.get_running_loop().time() >= self._until[key]
            try:
                if not overdue and await self._chained.has_link(attachment):
                    return True
                if overdue:
                    _log.warning("container %s: %s is still there, and is judged no more", *key)
                await self._chained.undo(attachment)
            except DriverError as error:
                _log.warning("container %s is not taken away yet: %s", key[0], error)
                return False
            del self._until[key]
            return True
