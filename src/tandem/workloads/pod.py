"""One pod from its first sandbox to its last: sandbox, init containers, containers, termination.

In: the newest Pod (a Cell; None when the API has it no more). Out: its status in the API, and after its deletion
nothing: no process, no namespace, no file. Cancelling `run()` leaves the pod running for the next runtime process.
What nobody expected ends neither the pod nor its neighbours: it is logged, reported, and the worker begins again.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from functools import partial
from typing import Final

import msgspec
import structlog

from tandem.base.cell import Cell
from tandem.base.groups import first_of
from tandem.base.ids import PodUid
from tandem.drivers.envoy.admin import Admin
from tandem.model import core
from tandem.model.said import say
from tandem.workloads import record as records
from tandem.workloads import sandbox
from tandem.workloads.assembly import assemble
from tandem.workloads.cni import CniError
from tandem.workloads.container import Container, Scene
from tandem.workloads.context import Node, pause_after
from tandem.workloads.dismantle import dismantle
from tandem.workloads.environment import ConfigError
from tandem.workloads.parting import answered, delete_from_api, drained
from tandem.workloads.preparation import prepare
from tandem.workloads.record import ContainerRecord, SandboxRecord
from tandem.workloads.reporter import Reporter
from tandem.workloads.sandbox import Launch, SandboxEndedError, StartError
from tandem.workloads.status import INTERNAL_ERROR, ContainerState, PodState, all_ended
from tandem.workloads.waiting import exited

log = structlog.get_logger(__name__)

_DRAIN_LIMIT: Final = 3.0
_ANSWER_LIMIT: Final = 10.0
"""Requests under way have this long, or half of the pod's grace, before its processes are told to end."""
_END_LIMIT: Final = 5.0


class PodWorker:
    """Owns one pod."""

    def __init__(self, node: Node, pod: core.Pod, record: SandboxRecord | None) -> None:
        self.pods: Cell[core.Pod | None] = Cell(pod)
        self._node = node
        self._pod = pod
        self._record = record
        self._stopping = asyncio.Event()
        self._reporter = Reporter(node, self.pods, self._state)
        self._init_containers: list[Container] = []
        self._containers: list[Container] = []
        self._problem = ("", "")
        self._started_at = node.clock.now()
        self._sandbox = False
        self._known = asyncio.Event()

    async def run(self) -> None:
        """Until the pod has gone from this node and from the API."""
        async with asyncio.TaskGroup() as tasks:
            reporting = tasks.create_task(self._report())
            failures = 0
            while True:
                try:
                    await self._attend()
                    break
                except Exception as err:
                    log.exception("worker of a pod failed", pod=self._pod.metadata.name, uid=self._pod.metadata.uid)
                    self._show_problem(INTERNAL_ERROR, _told(err))
                await self._recover(pause_after(failures))
                failures += 1
            reporting.cancel()

    async def _report(self) -> None:
        """What was found running is reported once its containers are known, not as if it had to start."""
        if self._record is not None and self._record.init.alive:
            await self._known.wait()
        await self._reporter.run()

    async def _recover(self, seconds: float) -> None:
        """A pause, which ends early when the pod is to be deleted."""
        if self._pod.terminating or self.pods.value is None:
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._deletion(), seconds)

    async def _attend(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            life = tasks.create_task(self._live())
            grace = await self._deletion()
            self._stopping.set()
            await self._stop(life, grace)
        await self._remove()

    async def _live(self) -> None:
        if self._pod.finished:
            await self._stopping.wait()
        failures = 0
        while not self._stopping.is_set():
            try:
                async with self._node.slots:
                    await self._ensure_sandbox()
                self._problem, failures = ("", ""), 0
                await self._run_containers()
            except (CniError, StartError, ConfigError, OSError) as err:
                self._tell_failure(err)
                reason = "NetworkNotReady" if isinstance(err, CniError) else "SandboxNotReady"
                self._show_problem("ContainerConfigError" if isinstance(err, ConfigError) else reason, str(err))
                await self._discard()
                await self._sleep(pause_after(failures))
                failures += 1

    async def _ensure_sandbox(self) -> None:
        if self._record is None or not self._record.init.alive:
            await self._discard()
            await assemble(self._node, self._pod, self._record, self._save)
        self._sandbox = True
        self._reporter.changed()

    async def _run_containers(self) -> None:
        """Until nothing of the pod will run again; raises StartError when the sandbox dies."""
        record = self._need_record()
        scene = Scene(
            pod=self._pod,
            init=record.init,
            address=record.addresses[0],
            logs=self._node.directory.pods / record.uid / "logs",
            clock=self._node.clock,
            slots=self._node.slots,
            prepare=self._prepare,
            save=self._save_container,
            changed=self._reporter.changed,
            tell=self._node.events.tell,
            live=self._node.live,
            stopping=self._stopping,
        )
        known, spec = record.containers, self._pod.spec
        make = partial(Container, scene)
        self._init_containers = [make(c, known.get(c.name, ContainerRecord()), once=True) for c in spec.init_containers]
        self._containers = [make(c, known.get(c.name, ContainerRecord())) for c in spec.containers]
        self._known.set()
        self._reporter.changed()
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(exited(record.init))
            work = tasks.create_task(self._work())
            await asyncio.wait([watch, work], return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not self._stopping.is_set():
                self._sandbox = False
                work.cancel()
            else:
                await work
                watch.cancel()
        if not self._sandbox:
            raise SandboxEndedError("the sandbox's init has ended: the pod gets a new sandbox")
        if not self._stopping.is_set():
            self._reporter.changed()
            await self._discard()  # everything has ended for good: the address is free again
            await self._stopping.wait()

    async def _work(self) -> None:
        for container in self._init_containers:
            await container.run()
            if container.state.ended is None or container.state.ended.exit_code:
                return
        async with asyncio.TaskGroup() as tasks:
            for container in self._containers:
                tasks.create_task(container.run())

    async def _prepare(self, container: core.Container) -> Launch:
        return await prepare(self._node, self._pod, self._need_record(), container)

    async def _deletion(self) -> float:
        """Wait for it; the grace in seconds that is left."""
        seen = -1
        while True:
            seen, pod = await self.pods.after(seen)
            if pod is None:
                return 0.0
            self._pod = pod
            self._reporter.changed()
            if pod.metadata.deletion_timestamp is not None:
                given = pod.metadata.deletion_grace_period_seconds
                return float(pod.spec.termination_grace_period_seconds if given is None else given)

    async def _stop(self, life: asyncio.Task[None], grace: float) -> None:
        """Out of service first, then what is under way is answered, then SIGTERM, then SIGKILL."""
        self._reporter.changed()
        record = self._record
        if grace > 0 and record is not None and record.addresses and any(c.state.ready for c in self._containers):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(drained(self.pods), _DRAIN_LIMIT)
            with contextlib.suppress(TimeoutError):
                proxy = Admin(self._node.directory.admin_socket)
                await asyncio.wait_for(answered(proxy, PodUid(record.uid)), min(_ANSWER_LIMIT, grace / 2))
        for container in (*self._init_containers, *self._containers):
            container.stop(signal.SIGTERM if grace > 0 else signal.SIGKILL)
        await asyncio.wait([life], timeout=grace)
        if self._record is not None:
            sandbox.kill_all(self._record)
        await asyncio.wait([life], timeout=_END_LIMIT)
        life.cancel()

    async def _remove(self) -> None:
        await self._discard()
        shutil.rmtree(self._node.directory.pods / self._pod.metadata.uid, ignore_errors=True)
        await delete_from_api(self._node, self.pods, self._pod.metadata)

    async def _discard(self) -> None:
        """End the sandbox and give its address back; the record stays until the next one replaces it."""
        record, self._sandbox = self._record, False
        if record is None:
            return
        await dismantle(self._node.directory, self._node.cni, record)
        self._save(msgspec.structs.replace(record, init=records.Process(), addresses=(), netns=""))

    def _state(self) -> PodState:
        spec, record = self._pod.spec, self._record
        mine = [c.state for c in self._containers] or [
            ContainerState(name=c.name, image=c.image) for c in spec.containers
        ]
        inits = [c.state for c in self._init_containers]
        return PodState(
            containers=mine,
            init_containers=inits or [ContainerState(name=c.name, image=c.image) for c in spec.init_containers],
            addresses=record.addresses if record else (),
            host_ips=self._node.addresses,
            started_at=self._started_at,
            sandbox=self._sandbox or all_ended(mine),
            problem=self._problem,
        )

    def _tell_failure(self, err: Exception) -> None:
        match err:
            case SandboxEndedError():
                told = say(self._pod, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
            case ConfigError():
                told = say(self._pod, "Failed", f"Error: {err}", warning=True)
            case _:
                told = say(self._pod, "FailedCreatePodSandBox", f"Failed to create pod sandbox: {err}", warning=True)
        self._node.events.tell(told)

    def _show_problem(self, reason: str, message: str) -> None:
        self._problem = (reason, message)
        self._known.set()
        log.warning("pod not started", pod=self._pod.metadata.name, reason=reason, message=message)
        self._reporter.changed()

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _need_record(self) -> SandboxRecord:
        if self._record is None:
            raise StartError("the pod has no sandbox")
        return self._record

    def _save(self, record: SandboxRecord) -> None:
        self._record = record
        records.save(self._node.directory, record)

    def _save_container(self, name: str, container: ContainerRecord) -> None:
        record = self._need_record()
        self._save(msgspec.structs.replace(record, containers={**record.containers, name: container}))


def _told(err: BaseException) -> str:
    """What to tell people of an exception that may be wrapped in groups."""
    err = first_of(err)
    return f"{type(err).__name__}: {err}; it is tried again, and the runtime's log has the whole story"
