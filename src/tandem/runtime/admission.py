"""What an ADD waits for before its pod's first process may run, and for how long.

| what | bound | when it is over |
|---|---|---|
| policy: the pod's own rules in this node's kernel | READY_TIMEOUT | ADD fails and is undone: nothing is open |
| proxy: listeners and capture of a meshed pod | READY_TIMEOUT | the same |
| peers: rules about the pod, wherever there is one | Limits.peers_wait | ADD goes on: isolation holds, an allow lags |

Peers are told first, since their answer takes longest, and only where there are policies (`MeshConfig.announces`). All
of it goes on at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from tandem.base.addresses import family
from tandem.base.cell import Cell
from tandem.base.problems import DriverError
from tandem.compile import names
from tandem.drivers.envoy.listening import listening
from tandem.drivers.xds.client import CallError
from tandem.ipam.journal import Attachment
from tandem.ir.announcement import ANNOUNCE, Announcement, decode_known, encode
from tandem.ir.fabric import LocalPod
from tandem.podnet.spans import step
from tandem.runtime.guards import name_of as guard_of
from tandem.runtime.metrics import Metrics
from tandem.runtime.progress import READY_TIMEOUT, in_force
from tandem.runtime.views import Outcome

log = structlog.get_logger()

Call = Callable[[str, bytes, float], Awaitable[bytes]]
"""Method, request, deadline in seconds -> control's answer; raises CallError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loops:
    """How far each has come."""

    kernel: Cell[Outcome]
    guards: Cell[Outcome]
    proxy: Cell[Outcome]


class Admission:
    """One per agent."""

    def __init__(self, loops: Loops, call: Call, metrics: Metrics, *, peers_wait: float) -> None:
        self._loops = loops
        self._call = call
        self._metrics = metrics
        self._peers_wait = peers_wait

    async def own(self, attachment: Attachment, pod: LocalPod | None, number: int) -> None:
        """Return when policy and listeners of the pod, which is in view `number`, are in force; raises DriverError."""
        with step("policy"):
            await self._timed("policy", self._policy(attachment, number))
        if pod is not None and pod.meshed:
            with step("proxy"):
                await self._timed("proxy", self._proxy(attachment, pod, number))
        self._metrics.added()

    async def _timed(self, what: str, work: Awaitable[None]) -> None:
        begun, done = asyncio.get_running_loop().time(), False
        try:
            await work
            done = True
        finally:
            self._metrics.waited(what, asyncio.get_running_loop().time() - begun, in_time=done)

    async def _policy(self, attachment: Attachment, number: int) -> None:
        await in_force(self._loops.kernel, number, ("kernel",))
        await in_force(self._loops.guards, number, (guard_of(attachment.container_id),))

    async def _proxy(self, attachment: Attachment, pod: LocalPod, number: int) -> None:
        wanted = (names.inbound_listener(pod.uid), names.outbound_listener(pod.uid))
        await in_force(self._loops.proxy, number, (*wanted, f"capture/{attachment.container_id}"))
        await self._listens(attachment)

    async def _listens(self, attachment: Attachment) -> None:
        """Envoy accepts a listener before it listens (it may still wait for a certificate): ask the kernel."""
        ports = {(family(a), port) for a in attachment.addresses for port in (names.INBOUND_PORT, names.OUTBOUND_PORT)}
        deadline = asyncio.get_running_loop().time() + READY_TIMEOUT
        while not ports <= await asyncio.to_thread(listening, attachment.pin):
            if asyncio.get_running_loop().time() >= deadline:
                raise DriverError(f"Envoy does not listen in {attachment.pin}: has it a certificate?")
            await asyncio.sleep(0.01)

    async def peers(self, attachment: Attachment) -> None:
        """Tell control of the addresses; return when rules about the pod have them everywhere, or time is over."""
        begun, groups = asyncio.get_running_loop().time(), None
        request = encode(Announcement(uid=attachment.pod_uid, addresses=attachment.pod_addresses))
        with step("peers"):
            try:
                async with asyncio.timeout(self._peers_wait):
                    groups = decode_known(await self._call(ANNOUNCE, request, self._peers_wait)).groups
            except (CallError, TimeoutError, ValueError) as err:
                log.warning("peers not waited for any longer", pod=attachment.pod_name, error=str(err))
            self._metrics.waited("peers", asyncio.get_running_loop().time() - begun, in_time=groups is not None)
