"""A container's probes over time: startup first, then readiness and liveness, with Kubernetes' thresholds.

Until the first success, probes come more often than the period says: whatever waits for the pod waits a tenth longer
than it must, not a period. Such extra probes can only make a container started or ready, never restart it.

In: how to execute a command in the container. Out: calls of `report`; `run()` ends when the container must be killed,
and `fatal` then says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from tandem.model import core
from tandem.workloads import probes

_EAGER: Final = 0.02
_EAGER_EXEC: Final = 0.1
"""An exec probe starts a process each time."""
_GROWTH: Final = 1.1


class Target(Protocol):
    """What a probe is sent to."""

    @property
    def address(self) -> str:
        """The pod's address."""


class Report(Protocol):
    """Receives what the probes say."""

    def __call__(self, *, started: bool, ready: bool) -> None:
        """The container's newest state."""


Execute = Callable[[tuple[str, ...]], Awaitable[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Whom the probes tell."""

    report: Report
    unhealthy: Callable[[str], None]
    """Of each probe that failed when one was due by its period."""


class Prober:
    """Probes one instance of a container."""

    def __init__(
        self, target: Target, spec: core.Container, execute: Execute, voice: Voice, *, ready: bool = False
    ) -> None:
        """`ready`: the container was found running and ready, and is so until probes fail."""
        self._address = target.address
        self._spec = spec
        self._execute = execute
        self._report, self._unhealthy = voice.report, voice.unhealthy
        self._ready = ready
        self.fatal = ""

    async def run(self) -> None:
        """Until a liveness or startup probe has failed too often; for ever if none does."""
        startup, liveness = self._spec.startup_probe, self._spec.liveness_probe
        if startup is not None and not self._ready:
            why = await self._until_passed(startup)
            if why:
                self.fatal = f"Startup probe failed: {why}"
                return
        self._report(started=True, ready=self._ready or self._spec.readiness_probe is None)
        async with asyncio.TaskGroup() as tasks:
            readiness = tasks.create_task(self._readiness())
            if liveness is not None:
                self.fatal = f"Liveness probe failed: {await self._until_failed(liveness)}"
                readiness.cancel()

    async def _readiness(self) -> None:
        probe = self._spec.readiness_probe
        if probe is None:
            await asyncio.Event().wait()
            return
        await asyncio.sleep(0 if self._ready else probe.initial_delay_seconds)
        passed = failed = 0
        wait, ready = _eager(probe), self._ready
        now = asyncio.get_running_loop().time
        due = now() + (0 if ready else probe.period_seconds)
        while True:
            counts = now() >= due
            why = await self._once(probe)
            if counts:
                due += probe.period_seconds
                if why is not None:
                    self._unhealthy(f"Readiness probe failed: {why}")
            passed, failed = (passed + 1, 0) if why is None else (0, failed + 1)
            if not ready and passed >= probe.success_threshold:
                ready, wait = True, float(probe.period_seconds)
                self._report(started=True, ready=True)
            elif ready and failed >= probe.failure_threshold:
                ready = False
                self._report(started=True, ready=False)
            await asyncio.sleep(wait)
            wait = min(float(probe.period_seconds), wait * _GROWTH)

    async def _until_passed(self, probe: core.Probe) -> str:
        """Empty as soon as it passed, or why it failed too often."""
        await asyncio.sleep(probe.initial_delay_seconds)
        now = asyncio.get_running_loop().time
        due, wait, failed = now(), _eager(probe), 0
        while True:
            counts = now() >= due
            why = await self._once(probe)
            if why is None:
                return ""
            if counts:
                self._unhealthy(f"Startup probe failed: {why}")
                due += probe.period_seconds
                failed += 1
                if failed >= probe.failure_threshold:
                    return why
            await asyncio.sleep(max(0.0, min(wait, due - now())))
            wait *= _GROWTH

    async def _until_failed(self, probe: core.Probe) -> str:
        await asyncio.sleep(probe.initial_delay_seconds)
        failed = 0
        while True:
            why = await self._once(probe)
            failed = 0 if why is None else failed + 1
            if why is not None:
                self._unhealthy(f"Liveness probe failed: {why}")
            if why is not None and failed >= probe.failure_threshold:
                return why
            await asyncio.sleep(probe.period_seconds)

    async def _once(self, probe: core.Probe) -> str | None:
        if probe.exec is None:
            return await probes.check(probe, self._address, self._spec.ports)
        try:
            async with asyncio.timeout(probe.timeout_seconds):
                code = await self._execute(probe.exec.command)
        except TimeoutError:
            return f"command timed out after {probe.timeout_seconds}s"
        except Exception as err:  # noqa: BLE001 - whatever keeps the command from running is a failed probe
            return str(err)
        return None if code == 0 else f"command ended with exit status {code}"


def _eager(probe: core.Probe) -> float:
    return min(float(probe.period_seconds), _EAGER if probe.exec is None else _EAGER_EXEC)
