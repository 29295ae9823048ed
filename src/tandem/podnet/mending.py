"""What others changed of pods' links and inside their namespaces: looked for as by CHECK, put back as ADD made it.

In: a container of this node. Out: one sentence for each thing that differs; the host ends that were made anew. What is
another plugin's stays as it is. Tables are not looked at: the kernel tells of each of their changes.

What differs at the first look after ADD is the work of plugins behind ours in the chain: they may change what a plugin
before them made (CNI specification, CHECK). Another MAC address and a smaller MTU become the link's own from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec

from tandem.base.ids import ContainerId
from tandem.compile.foreign import compile_redirection
from tandem.drivers.foreign.port import ForeignDriver
from tandem.drivers.link.plan import LEAST_MTU_IPV6
from tandem.drivers.link.port import LinkDriver
from tandem.ipam.journal import Attachment, Journal, Key, Phase
from tandem.podnet.turns import Turns
from tandem.podnet.undoing import link_of
from tandem.state.links import HostSide, PodLink

_log: Final = logging.getLogger(__name__)


class Mending:
    """One per node; `host`: the node's side today; `captured`: what is so; `renewed` is told of what is another now."""

    def __init__(
        self,
        journal: Journal,
        links: LinkDriver,
        foreign: ForeignDriver,
        turns: Turns,
        *,
        host: Callable[[], HostSide],
        captured: Callable[[ContainerId], bool],
        renewed: Callable[[Attachment], None],
    ) -> None:
        self._journal = journal
        self._links = links
        self._foreign = foreign
        self._turns = turns
        self._host = host
        self._captured = captured
        self._renewed = renewed
        self.fresh: set[Key] = set()
        """Attached, and not looked at since."""

    async def look(self, container_id: ContainerId) -> tuple[str, ...] | None:
        """What differs; None while somebody is busy with the container. Raises DriverError."""
        if self._turns.is_busy(container_id):
            return None
        async with self._turns.of(container_id):
            found: list[str] = []
            for attachment in self._whole(container_id):
                found += await self._differences(await self.settled(attachment))
        return tuple(found)

    async def settled(self, attachment: Attachment) -> Attachment:
        """The attachment with what later plugins made of it, if this is the first look; the caller has its turn."""
        if attachment.key not in self.fresh:
            return attachment
        self.fresh.discard(attachment.key)
        link, netns = self.link(attachment), attachment.pin or attachment.netns
        differs = await self._links.check(link, netns)
        found = await self._links.hardware(link, netns) if differs else None
        if found is None:
            return attachment
        mac, mtu = found
        taken = msgspec.structs.replace(
            attachment,
            mac=attachment.mac if attachment.segment else mac,  # what its bridge lets it send is bound to that
            mtu=mtu if LEAST_MTU_IPV6 <= mtu < attachment.mtu else attachment.mtu,
        )
        if taken != attachment:
            self._journal.update(taken)
            self._renewed(taken)
        await self._links.repair(self.link(taken), netns)
        what = "container %s: changed by a later plugin of its chain, MAC address %s, MTU %d: %s"
        _log.info(what, taken.container_id, taken.mac, taken.mtu, "; ".join(differs))
        return taken

    async def mend(self, container_id: ContainerId) -> tuple[str, ...]:
        """Put back what differs; raises DriverError. A container that has gone meanwhile needs nothing."""
        anew = []
        async with self._turns.of(container_id):
            for attachment in self._whole(container_id):
                netns = attachment.pin or attachment.netns
                if attachment.foreign is not None:
                    wanted = compile_redirection(attachment.ifname, attachment.pod_addresses)
                    await self._foreign.prepare(netns, wanted)
                elif await self._links.repair(self.link(attachment), netns):
                    anew.append(attachment.host_ifname)
        return tuple(anew)

    def link(self, attachment: Attachment) -> PodLink:
        """As it should be today: in the mesh, with what capture needs."""
        return replace(link_of(attachment, self._host()), captured=self._captured(attachment.container_id))

    def _whole(self, container_id: ContainerId) -> tuple[Attachment, ...]:
        """What ADD has made and no DEL has begun to take away."""
        return tuple(a for a in self._journal.of(container_id) if a.phase is Phase.READY)

    async def _differences(self, attachment: Attachment) -> tuple[str, ...]:
        netns = attachment.pin or attachment.netns
        if attachment.foreign is None:
            return await self._links.check(self.link(attachment), netns)
        return await self._foreign.check(netns, compile_redirection(attachment.ifname, attachment.pod_addresses))
