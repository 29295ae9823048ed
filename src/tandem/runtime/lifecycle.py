"""Which nodes are heard of: leases -> silences -> the writes of `cluster/lifecycle.py`.

In: an API client, the World of the translation. Out: conditions of nodes and pods. Leases are watched apart from
everything else, since one is renewed every few seconds for each node and nothing is to be translated anew for that.
Time is the monotonic clock of this process: it is when a lease was seen to change that counts, never what it says.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from tandem.base.cell import Cell
from tandem.base.clock import Clock
from tandem.cluster.lifecycle import GRACE_SECONDS, follow_nodes, is_unknown
from tandem.cluster.writes import Delete, Patch
from tandem.ingest.errors import ApiError
from tandem.ingest.informer import Informer
from tandem.ingest.kube import KubeClient
from tandem.ingest.recorder import Tell
from tandem.model import core
from tandem.model.coordination import NODE_LEASES, Lease
from tandem.model.kinds import BY_KIND
from tandem.model.world import World
from tandem.workloads.heartbeat import BEAT, renew

log = structlog.get_logger(__name__)
LOOK: Final = 0.5
"""Seconds from one look at the leases to the next."""
OWN: Final = ("kube-system", "tandem-control")
"""Our own lease."""


@dataclass(frozen=True, slots=True)
class _Heard:
    lease: str
    at: float


class Hearing:
    """When each node's lease was last seen to change.

    Time in which nobody looked, or nobody could write, does not count: if this process stood still, or the disk of the
    API server is full, no node could renew anything.
    """

    def __init__(self) -> None:
        self._heard: dict[str, _Heard] = {}
        self._looked = 0.0
        self._time = 0.0

    def silences(self, nodes: World, leases: World, now: float, *, writable: bool = True) -> dict[str, float]:
        """Seconds of silence of each node that has a lease.

        A node seen for the first time is believed, unless it is Unknown: then only a renewal says that it is back.
        """
        self._time += min(now - self._looked, 2 * LOOK) if writable else 0.0
        self._looked = now
        return self._silences(nodes, leases, self._time)

    def _silences(self, nodes: World, leases: World, now: float) -> dict[str, float]:
        found = {}
        for node in nodes.all(core.Node).values():
            name = node.metadata.name
            lease = leases.get(Lease, NODE_LEASES, name)
            if lease is None:
                continue
            version, before = lease.metadata.resource_version, self._heard.get(name)
            if before is None:
                before = _Heard(version, now - GRACE_SECONDS if is_unknown(node) else now)
            elif before.lease != version:
                before = _Heard(version, now)
            self._heard[name] = before
            found[name] = now - before.at
        return found


class LifecycleLoop:
    """Runs the node lifecycle controller."""

    def __init__(self, client: KubeClient, worlds: Cell[World], clock: Clock, tell: Tell) -> None:
        self._client = client
        self._worlds = worlds
        self._clock = clock
        self._tell = tell
        self._leases = Informer(client, (BY_KIND["Lease"],))
        self._hearing = Hearing()
        self._writable = False

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._leases.run())
            tasks.create_task(self._own_lease())
            while True:
                await asyncio.sleep(LOOK)
                if self._worlds.value.synced and self._leases.world.value.synced:
                    await self.settle()

    async def _own_lease(self) -> None:
        """Who cannot renew a lease of his own does not judge others."""
        while True:
            try:
                async with asyncio.timeout(BEAT):
                    await renew(self._client, self._clock, *OWN)
                self._writable = True
            except (ApiError, TimeoutError) as err:
                self._writable = False
                log.warning("own lease not renewed", reason=str(err) or "no answer in time")
            await asyncio.sleep(BEAT)

    async def settle(self) -> None:
        """Write what there is to write now; what the API refuses comes again with the next look."""
        world = self._worlds.value
        now, leases = self._clock.monotonic(), self._leases.world.value
        silent = self._hearing.silences(world, leases, now, writable=self._writable)
        for write in follow_nodes(world, silent, now=self._clock.now()):
            try:
                match write:
                    case Patch(kind=kind, namespace=namespace, name=name, patch=patch, subresource=subresource):
                        if kind == "Node":
                            log.warning("node", name=name, ready=patch["status"]["conditions"])
                        await self._client.patch(BY_KIND[kind], namespace, name, patch, subresource=subresource)
                    case Delete(kind=kind, namespace=namespace, name=name):
                        log.warning("pod of a lost node deleted", namespace=namespace, pod=name)
                        await self._client.delete(BY_KIND[kind], namespace, name)
            except ApiError as err:
                log.warning("write refused", write=repr(write)[:200], reason=err.message)
                continue
            for told in write.told:
                self._tell(told)
