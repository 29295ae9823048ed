"""What others changed of pods' links and inside their namespaces: looked for as by CHECK, put back as ADD made it.

In: a container of this node. Out: one sentence for each thing that differs; the host ends that were made anew. What is
another plugin's stays as it is. Tables are not looked at: the kernel tells of each of their changes.
"""

from __future__ import annotations

from collections.abc import Callable

from tandem.base.ids import ContainerId
from tandem.compile.foreign import compile_redirection
from tandem.drivers.foreign.port import ForeignDriver
from tandem.drivers.link.port import LinkDriver
from tandem.ipam.journal import Attachment, Journal, Phase
from tandem.podnet.turns import Turns
from tandem.podnet.undoing import link_of
from tandem.state.links import HostSide


class Mending:
    """One per node; `host`: the node's side today."""

    def __init__(
        self,
        journal: Journal,
        links: LinkDriver,
        foreign: ForeignDriver,
        turns: Turns,
        *,
        host: Callable[[], HostSide],
    ) -> None:
        self._journal = journal
        self._links = links
        self._foreign = foreign
        self._turns = turns
        self._host = host

    async def look(self, container_id: ContainerId) -> tuple[str, ...] | None:
        """What differs; None while somebody is busy with the container. Raises DriverError."""
        if self._turns.is_busy(container_id):
            return None
        async with self._turns.of(container_id):
            return tuple([sentence for a in self._whole(container_id) for sentence in await self._differences(a)])

    async def mend(self, container_id: ContainerId) -> tuple[str, ...]:
        """Put back what differs; raises DriverError. A container that has gone meanwhile needs nothing."""
        anew = []
        async with self._turns.of(container_id):
            for attachment in self._whole(container_id):
                netns = attachment.pin or attachment.netns
                if attachment.foreign is not None:
                    wanted = compile_redirection(attachment.ifname, attachment.pod_addresses)
                    await self._foreign.prepare(netns, wanted)
                elif await self._links.repair(link_of(attachment, self._host()), netns):
                    anew.append(attachment.host_ifname)
        return tuple(anew)

    def _whole(self, container_id: ContainerId) -> tuple[Attachment, ...]:
        """What ADD has made and no DEL has begun to take away."""
        return tuple(a for a in self._journal.of(container_id) if a.phase is Phase.READY)

    async def _differences(self, attachment: Attachment) -> tuple[str, ...]:
        netns = attachment.pin or attachment.netns
        if attachment.foreign is None:
            return await self._links.check(link_of(attachment, self._host()), netns)
        return await self._foreign.check(netns, compile_redirection(attachment.ifname, attachment.pod_addresses))
