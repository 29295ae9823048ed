"""How attachments end: at once or in the background, one or many, also those that were never whole.

In: attachments as the journal has them. Out: policy and proxy, link and pin gone, the address free in the journal; the
journal is cleared last, so that a kill leaves nothing that the next undoing cannot find. Raises DriverError where the
world refuses. The caller sees to it that steps of one container never overlap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

import msgspec

from tandem.base.problems import DriverError
from tandem.compile.links import compile_pod_link
from tandem.drivers.link.port import LinkDriver
from tandem.ipam.journal import Attachment, Journal, Phase
from tandem.podnet.chained import Chained
from tandem.podnet.leaving import Detaches, Leaving, take_away
from tandem.podnet.parting import Parting
from tandem.state.links import HostSide, LinkOptions, PodLink

_log: Final = logging.getLogger(__name__)


class Undoing:
    """One per node."""

    leaving: Leaving | None = None
    """With it, DEL answers once the pod is cut off, and the rest goes in the background; without, when all is gone."""

    def __init__(
        self,
        journal: Journal,
        links: LinkDriver,
        node: Detaches,
        behind: tuple[Chained, Parting],
        *,
        host: Callable[[], HostSide],
    ) -> None:
        self._journal = journal
        self._links = links
        self._node = node
        self._chained, self._parting = behind
        self._host = host

    async def run(self) -> None:
        """What goes on in the background, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self.leaving is not None:
                tasks.create_task(self.leaving.run())
            tasks.create_task(self._parting.run())

    async def leave(self, attachment: Attachment) -> None:
        """The end of an attachment: the runtime waits for what others could notice; a second DEL waits for all."""
        if self.leaving is None or attachment.phase is not Phase.READY:
            await self.one(attachment)
            return
        try:
            if attachment.foreign is not None:
                await self._parting.leave(attachment)
                return
            attachment = self._given_up(attachment)
        except DriverError as error:
            # Unwritten, it must not be left to the background: a kill, and nobody would ever come back to it.
            _log.warning("DEL of container %s does all at once: %s", attachment.container_id, error)
            await self.one(attachment)
            return
        await self._cut(attachment)
        self.leaving.add(attachment)

    async def one(self, attachment: Attachment) -> None:
        """Proxy and policy first, or the kernel keeps the namespace; the address last."""
        if self.leaving is not None:
            await self.leaving.release(attachment.key)
            if self._journal.get(attachment.key) is None:
                return
        if attachment.foreign is not None:
            await self._chained.undo(attachment)
            return
        with suppress(DriverError):  # a full disk must not stop what makes room
            attachment = self._given_up(attachment)
        await self._node.detached(attachment)
        await self._links.remove(link_of(attachment, self._host()), attachment.pin or attachment.netns)
        await self._links.unpin(attachment.container_id)
        self._journal.remove(attachment.key)

    async def all(self, batch: tuple[Attachment, ...]) -> list[str]:
        """At once, since the kernel takes as long to end one link as to end fifty; one by one where that fails.

        Returns one sentence for each that stays.
        """
        own = tuple(attachment for attachment in batch if attachment.foreign is None)
        try:
            for attachment in own:
                _log.info("container %s is taken away: %s", attachment.container_id, attachment.phase.value)
                with suppress(DriverError):
                    self._given_up(attachment)
                await self._cut(attachment)
            await take_away(own, self._journal, self._links, self._node)
        except* DriverError as errors:
            _log.warning("not all at once: %s", errors.exceptions)
        left = [current for a in batch if (current := self._journal.get(a.key)) is not None]
        return [sentence for attachment in left for sentence in await self.attempt(attachment)]

    async def attempt(self, attachment: Attachment) -> list[str]:
        """`one`, with a sentence in place of an error."""
        try:
            await self.one(attachment)
        except DriverError as error:
            return [f"{attachment.namespace}/{attachment.pod_name} ({attachment.container_id}): {error}"]
        return []

    def _given_up(self, attachment: Attachment) -> Attachment:
        attachment = msgspec.structs.replace(attachment, phase=Phase.DELETING)
        self._journal.update(attachment)
        return attachment

    async def _cut(self, attachment: Attachment) -> None:
        await self._links.cut(link_of(attachment, self._host()), attachment.pin or attachment.netns)


def link_of(attachment: Attachment, host: HostSide) -> PodLink:
    """The link as ADD made it, whatever the node's settings have become since; `host`: the node's side today."""
    options = LinkOptions(mac=attachment.mac, shaping=attachment.shaping, from_loopback=bool(attachment.port_mappings))
    host = replace(host, mtu=attachment.mtu, segment=attachment.segment)
    return compile_pod_link(*attachment.key, addresses=attachment.addresses, host=host, options=options)
