"""What hands the traffic of meshed pods to Envoy: tables inside them, applied, released, and put back at once.

What they mark is delivered inside: before its first table, a pod gets rules and routes for that. They stay when it
leaves the mesh, for nothing is marked then, and go with its link.
In: views, from the loop of Envoy, and what others changed. Out: what the kernel refused. What others changed does not
wait for Envoy: until it is put back, a pod's new connections go round its proxy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from tandem.base.addresses import families
from tandem.base.cell import Cell
from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.compile.nft.capture import compile_captures
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.port import NftDriver
from tandem.ir.node import AttachedPod, NodeView
from tandem.runtime.pod_drift import PodDrift
from tandem.state.ownership import TABLE

log = structlog.get_logger()


class Captures:
    """One per agent; `driver`: of the table in a namespace. `deliver`: inside it, what is marked, of these families."""

    def __init__(
        self,
        driver: Callable[[str], NftDriver],
        drift: PodDrift,
        deliver: Callable[[str, tuple[int, ...]], Awaitable[None]],
    ) -> None:
        self._driver = driver
        self._drift = drift
        self._deliver = deliver
        self._captured: dict[ContainerId, tuple[str, NftDriver]] = {}
        """With the namespace of each."""
        self._turn = asyncio.Lock()
        self.refused: Cell[int] = Cell(0)
        """How often the kernel refused to put back what others changed: the next view does."""

    def __contains__(self, container_id: ContainerId) -> bool:
        """Whether what is marked in this container is delivered there."""
        return container_id in self._captured

    async def keep(self) -> None:
        """Put back what others change, until cancelled."""
        seen = 0
        while True:
            seen, _ = await self._drift.found.after(seen)
            async with self._turn:
                problems = await self._put_back()
            if problems:
                self.refused.put(self.refused.value + 1)

    async def _put_back(self) -> dict[str, str]:
        problems: dict[str, str] = {}
        drifted = self._drift.take(TABLE)
        for container_id, (netns, driver) in self._captured.items():
            wanted = driver.read() if netns in drifted else None
            if wanted is not None:
                driver.forget()
                work = partial(driver.apply, plan(None, wanted))
                problems |= await self._attempt(f"capture/{container_id}", netns, work)
        return problems

    async def release(self, view: NodeView) -> dict[str, str]:
        """Take out the tables of pods that have left the mesh."""
        async with self._turn:
            present = {p.container_id: p.pod.meshed for p in view.pods} if self._captured else {}
            problems: dict[str, str] = {}
            for container_id, (netns, driver) in list(self._captured.items()):
                if present.get(container_id):
                    continue
                del self._captured[container_id]
                if container_id in present:  # otherwise the table went with the namespace
                    problems |= await self._attempt(f"release/{container_id}", netns, driver.remove)
                else:
                    self._drift.leave(netns)
            return problems

    async def apply(self, view: NodeView) -> dict[str, str]:
        """Every pod of the mesh has its table."""
        async with self._turn:
            problems: dict[str, str] = {}
            for pod, wanted in compile_captures(view):
                if pod.container_id not in self._captured:
                    if refused := await self._delivered(pod):
                        problems[f"capture/{pod.container_id}"] = refused
                        continue
                    self._captured[pod.container_id] = pod.netns, self._driver(pod.netns)
                _, driver = self._captured[pod.container_id]
                delta = plan(driver.read(), wanted)
                if delta:
                    work = partial(driver.apply, delta)
                    problems |= await self._attempt(f"capture/{pod.container_id}", pod.netns, work)
            return problems

    async def _delivered(self, pod: AttachedPod) -> str:
        """Why not. Behind another plugin ADD has seen to it."""
        if pod.foreign is None:
            try:
                await self._deliver(pod.netns, families(pod.addresses))
            except DriverError as err:
                return str(err)
        return ""

    async def _attempt(self, what: str, netns: str, action: Callable[[], None]) -> dict[str, str]:
        try:
            await self._drift.own(netns, TABLE, action)
        except DriverError as err:
            log.error("not done", what=what, error=str(err))
            return {what: str(err)}
        return {}
