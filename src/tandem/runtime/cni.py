"""The CNI plugin's counter in the agent: what was begun is brought to an end, then requests of runtimes are served.

In: the node's directory, its journal and links, and the agent, which is the `Node` of the verbs. Out: the plugin's
socket. Beside it run what takes leaked attachments away, and the replay of DELs that could not be done yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

import structlog

from tandem.base.clock import Clock
from tandem.base.ids import ContainerId, PodUid
from tandem.base.paths import NodeDir
from tandem.drivers.foreign.port import ForeignDriver
from tandem.drivers.link.occupancy import abandoned
from tandem.drivers.link.port import LinkDriver
from tandem.ipam.journal import Attachment, Journal
from tandem.ipam.shared import SharedJournal
from tandem.podnet.leaks import Leaks, Witnesses
from tandem.podnet.leaving import Leaving
from tandem.podnet.mending import Mending
from tandem.podnet.socket import serve
from tandem.podnet.spool import Spool
from tandem.podnet.theirs import Theirs
from tandem.podnet.upkeep import Upkeep
from tandem.podnet.verbs import Aside, Node, Settings, Verbs
from tandem.runtime.cni_cache import sandbox_of
from tandem.runtime.host_local import keep

log = structlog.get_logger()

REPLAY_SECONDS: Final = 5.0


async def remember(journal: Journal, links: LinkDriver) -> None:
    """Let every address rest where the records of an earlier agent are lost: what it made is in the kernel still.

    Call it before anything is made there.
    """
    if not journal.begins_anew:
        return
    if left := await links.list_owned():
        log.error("the journal of addresses is lost, all of them rest", links=left.links, addresses=left.addresses)
        journal.rest()
    journal.settle()


class CniService:
    """One per agent. `grace`: how long, in seconds, what looks leaked is left alone."""

    def __init__(
        self,
        directory: NodeDir,
        journal: SharedJournal,
        drivers: tuple[LinkDriver, ForeignDriver],
        clock: Clock,
        *,
        grace: float,
    ) -> None:
        self._dir = directory
        self._journal = journal
        self._links, self._foreign = drivers
        self._clock = clock
        self._grace = grace

    async def run(
        self,
        node: Node,
        settings: Settings,
        has_pod: Callable[[PodUid], bool],
        keep_whole: Callable[[Mending], Coroutine[Any, Any, None]],
    ) -> None:
        """Until cancelled. `has_pod`: whether control knows a pod on this node; `keep_whole` goes on meanwhile."""
        aside = Aside(spool=Spool(self._dir.cni_spool), emit=lambda span: log.info("span", **span))
        verbs = Verbs(self._journal, self._links, self._foreign, node=node, settings=settings, aside=aside)
        verbs.undoing.leaving = Leaving(self._journal, self._links, node)
        for sentence in await verbs.recover():
            log.error("not recovered", problem=sentence)
        witnesses = Witnesses(abandoned=_abandoned, has_pod=has_pod)
        leaks = Leaks(self._journal, verbs, witnesses, self._clock, grace=self._grace)
        leaks.theirs = Theirs(self._journal, sandbox_of, self._clock, grace=self._grace)
        upkeep = Upkeep(verbs, self._journal, leaks, leaks.theirs, partial(keep, self._dir))
        serving = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(verbs.undoing.run())
            tasks.create_task(leaks.run())
            tasks.create_task(keep_whole(verbs.mending))
            tasks.create_task(_replay(verbs, serving))
            tasks.create_task(serve(upkeep, self._dir.cni_socket, ready=serving))


async def _replay(verbs: Verbs, serving: asyncio.Event) -> None:
    """DELs that were queued between the recovery and the socket, and those that could not be done yet."""
    await serving.wait()
    while failed := await verbs.replay():
        log.error("queued DELs not done", problems=failed)
        await asyncio.sleep(REPLAY_SECONDS)


async def _abandoned(attachments: tuple[Attachment, ...]) -> frozenset[ContainerId]:
    namespaces = [(a.container_id, a.netns, a.pin) for a in attachments]
    return frozenset(map(ContainerId, await asyncio.to_thread(abandoned, namespaces)))
