"""One container of a pod: started, probed, restarted, stopped.

In: a Scene (the sandbox and how to prepare a launch) and a spec. Out: `state`, which changes call `scene.changed` for.
`run()` ends when the container will not run again. When its main process ends, everything that it started ends too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from tandem.base import processes
from tandem.base.clock import Clock
from tandem.ingest.recorder import Tell
from tandem.model import core
from tandem.model.said import Said, reference
from tandem.workloads import kernel, sandbox
from tandem.workloads.attach import Live
from tandem.workloads.backoff import Backoff
from tandem.workloads.console import Console, Opening, release
from tandem.workloads.environment import ConfigError
from tandem.workloads.hold import Hold
from tandem.workloads.logs import LogWriter
from tandem.workloads.prober import Prober, Voice
from tandem.workloads.record import ContainerRecord, Process
from tandem.workloads.sandbox import Launch, StartError
from tandem.workloads.status import ContainerState, Ended
from tandem.workloads.waiting import exited

_CONFIG_RETRY: Final = 2.0
_START_ERROR: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the containers of a pod share."""

    pod: core.Pod
    init: Process
    address: str
    logs: Path
    clock: Clock
    slots: asyncio.Semaphore
    prepare: Callable[[core.Container], Awaitable[Launch]]
    save: Callable[[str, ContainerRecord], None]
    changed: Callable[[], None]
    tell: Tell
    live: dict[tuple[str, str], Live]
    """Those that run, for clients that attach."""
    stopping: asyncio.Event


class Container:
    """Runs one container."""

    def __init__(self, scene: Scene, spec: core.Container, record: ContainerRecord, *, once: bool = False) -> None:
        self._scene = scene
        self._spec = spec
        self._record = record
        self._once = once
        self._policy = (
            "OnFailure"
            if once and scene.pod.spec.restart_policy == "Always"
            else (spec.restart_policy or scene.pod.spec.restart_policy)
        )
        self._backoff = Backoff()
        self._hold: Hold | None = None
        self._console: Console | None = None
        self.state = ContainerState(name=spec.name, image=spec.image, restarts=record.restarts)
        if record.done:
            self.state = replace(self.state, ended=self._how_it_ended(record.exit_code))
        elif record.process.alive:
            # Adopted: as ready as it was, or a restart of the runtime would take it out of service.
            was = scene.pod.ready
            who = _identity(record.process)
            self.state = replace(self.state, running_since=record.started_at, identity=who, started=was, ready=was)

    async def run(self) -> None:
        """Until it will not run again, or the pod is being stopped and it has ended."""
        while self.state.ended is None or self._wants_restart():
            if self._record.process.alive:
                self._console = Console.taken_back(self._record)
                self._log = self._new_log()
                self._hold = Hold.of(self._record.process)
                up = True
            elif self._scene.stopping.is_set():
                return
            else:
                up = await self._start()
            if up:
                await self._live()
            if not self._wants_restart():
                break
            await self._pause()
        done = msgspec.structs.replace(self._record, process=Process(), done=True)
        self._save(msgspec.structs.replace(done, exit_code=self.state.ended.exit_code if self.state.ended else 0))

    def stop(self, number: signal.Signals) -> None:
        """The pod ends."""
        if self._record.process.alive:
            self._tell("Killing", f"Stopping container {self._spec.name}")
        self.signal(number)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the main process; SIGKILL to everything that it started as well."""
        sandbox.signal_process(self._record.process, number)
        if number is signal.SIGKILL and self._hold is not None:
            self._hold.kill()

    async def _start(self) -> bool:
        scene, name = self._scene, self._spec.name
        release(self._record.keeper)  # of one that ended while no runtime was there
        try:
            order = await scene.prepare(self._spec)
        except ConfigError as err:
            self._tell("Failed", f"Error: {err}", warning=True)
            self._show(reason="CreateContainerConfigError", message=str(err))
            await self._sleep(_CONFIG_RETRY)
            return False
        except StartError as err:
            self._refused(str(err))
            return False
        spec, log = self._spec, self._new_log()
        output = log.open_for_container() if not spec.tty else os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        opening = Opening(output, terminal=spec.tty) if spec.stdin or spec.tty else None
        launch = partial(sandbox.launch, scene.init, order, output, opening, terminal=spec.tty)
        try:
            async with scene.slots:
                pid, self._hold = await kernel.in_thread(launch)
        except (StartError, OSError) as err:
            log.close()
            if opening is not None and (console := opening.console()) is not None:
                await console.discard()
            self._refused(str(err))
            return False
        finally:
            os.close(output)
        self._console = opening.console() if opening is not None else None
        if self._console is not None and spec.tty:
            log.listen(self._console.output())
        self._tell("Created", f"Created container {name}")
        self._tell("Started", f"Started container {name}")
        self._log = log
        process = Process(pid=pid, started=processes.start_time(pid) or 0)
        self._save(
            msgspec.structs.replace(
                self._record,
                process=process,
                started_at=scene.clock.now(),
                environment=dict(order.environment),
                working_dir=order.working_dir,
                keeper=self._console.keeper if self._console is not None else Process(),
                terminal=spec.tty,
            )
        )
        return True

    def _new_log(self) -> LogWriter:
        folder, restarts = self._scene.logs / self._spec.name, self._record.restarts
        made = LogWriter(folder, restarts, self._scene.clock, terminal=self._spec.tty)
        if self._spec.tty and self._console is not None:
            made.listen(self._console.output())
        return made

    async def _live(self) -> None:
        record, spec = self._record, self._spec
        key = self._scene.pod.metadata.uid, spec.name
        live = self._scene.live[key] = Live(self._log, self._console, once=spec.stdin_once)
        self._show(
            running_since=record.started_at or self._scene.clock.now(),
            ended=None,
            unhealthy="",
            started=self.state.started or spec.startup_probe is None,
            ready=self.state.ready or (spec.startup_probe is None and spec.readiness_probe is None),
            identity=_identity(record.process),
        )
        failed = ""
        try:
            async with asyncio.TaskGroup() as tasks:
                end = tasks.create_task(exited(record.process))
                voice = Voice(report=self._probed, unhealthy=self._unhealthy)
                prober = Prober(self._scene, spec, self._execute, voice, ready=self.state.ready)
                probing = tasks.create_task(prober.run())
                await asyncio.wait([end, probing], return_when=asyncio.FIRST_COMPLETED)
                if not end.done() and (failed := prober.fatal):
                    which = failed.partition(" ")[0].lower()
                    self._tell("Killing", f"Container {spec.name} failed {which} probe, will be restarted")
                    await self._kill(end)
                code = await end
                probing.cancel()
            if self._hold is not None:
                await self._hold.end()
            if self._console is not None:
                await self._console.discard()
        except BaseException:  # cancelled, or a fault of ours: the container goes on, and so does its log later
            self._log.detach()
            raise
        else:
            self._log.close()
        finally:
            self._scene.live.pop(key, None)
            live.over.set()
            self._release()
        ended = self._how_it_ended(code, failed)
        self._save(msgspec.structs.replace(record, process=Process()))
        self._show(ended=ended, running_since=0.0, ready=False, started=False)

    async def _kill(self, end: asyncio.Task[int]) -> None:
        """A failed liveness or startup probe: SIGTERM, the pod's grace, SIGKILL."""
        self.signal(signal.SIGTERM)
        grace = self._scene.pod.spec.termination_grace_period_seconds
        await asyncio.wait([end], timeout=grace)
        if not end.done():
            self.signal(signal.SIGKILL)

    def _release(self) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.close()
        console, self._console = self._console, None
        if console is not None:
            console.close()

    def _how_it_ended(self, code: int, message: str = "") -> Ended:
        return Ended(
            exit_code=code,
            reason="Completed" if code == 0 else "Error",
            started_at=self._record.started_at,
            finished_at=self._scene.clock.now(),
            message=message,
        )

    def _refused(self, message: str) -> None:
        """It could not be started; without a restart that is how it ends."""
        self._tell("Failed", f"Error: {message}", warning=True)
        now = self._scene.clock.now()
        if self._policy == "Never":
            self._show(
                ended=Ended(
                    exit_code=_START_ERROR, reason="StartError", started_at=now, finished_at=now, message=message
                )
            )
        else:
            self._show(ended=None, running_since=0.0, reason="RunContainerError", message=message)

    def _wants_restart(self) -> bool:
        if self._scene.stopping.is_set():
            return False
        ended = self.state.ended
        if ended is None:
            return True
        return self._policy == "Always" or (self._policy == "OnFailure" and ended.exit_code != 0)

    async def _pause(self) -> None:
        ended = self.state.ended
        if ended is None and self.state.reason == "CreateContainerConfigError":
            return
        delay = self._backoff.after(ended.finished_at - ended.started_at if ended else 0.0)
        if ended is not None:
            self._save(msgspec.structs.replace(self._record, restarts=self._record.restarts + 1))
            where = f"container={self._spec.name} pod={self._scene.pod.metadata.name}"
            if delay:
                meta = self._scene.pod.metadata
                pod = f"{meta.name}_{meta.namespace}({meta.uid})"
                self._tell(
                    "BackOff", f"Back-off restarting failed container {self._spec.name} in pod {pod}", warning=True
                )
            self._show(
                ended=None,
                last=ended,
                restarts=self._record.restarts,
                reason="CrashLoopBackOff" if delay else "ContainerCreating",
                message=f"back-off {delay:.0f}s restarting failed {where}" if delay else "",
            )
        await self._sleep(delay)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._scene.stopping.wait(), seconds)

    async def _execute(self, command: tuple[str, ...]) -> int:
        """An exec probe: the exit status of `command` inside the container's view."""
        record = self._record
        order = Launch(argv=command, environment=record.environment, working_dir=record.working_dir)
        pid, hold = await kernel.in_thread(partial(_launch_silent, record.process, order))
        process = Process(pid=pid, started=processes.start_time(pid) or 0)
        try:
            return await exited(process)
        except asyncio.CancelledError:
            hold.kill()
            await exited(process)
            raise
        finally:
            await hold.end()
            hold.close()

    def _unhealthy(self, why: str) -> None:
        self._tell("Unhealthy", why, warning=True)
        if why != self.state.unhealthy:
            self._show(unhealthy=why)

    def _probed(self, *, started: bool, ready: bool) -> None:
        if self._scene.stopping.is_set():
            ready = False
        if (self.state.started, self.state.ready) != (started, ready):
            self._show(started=started, ready=ready)

    def _tell(self, reason: str, message: str, *, warning: bool = False) -> None:
        group = "initContainers" if self._once else "containers"
        about = reference(self._scene.pod, f"spec.{group}{{{self._spec.name}}}")
        self._scene.tell(Said(about=about, reason=reason, message=message, warning=warning))

    def _save(self, record: ContainerRecord) -> None:
        self._record = record
        self._scene.save(self._spec.name, record)

    def _show(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]
        self._scene.changed()


def _launch_silent(beside: Process, order: Launch) -> tuple[int, Hold]:
    with Path(os.devnull).open("wb") as null:
        return sandbox.launch(beside, order, null.fileno())


def _identity(process: Process) -> str:
    """Its containerID."""
    return f"tandem://{process.pid}-{process.started}"
