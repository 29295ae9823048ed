"""One pod from its first sandbox to its last: network, init containers, containers, status, termination.

In: the newest Pod (a Cell; None when the API has it no more). Out: its status in the API, and after its deletion
nothing: no process, no namespace, no file. Cancelling `run()` leaves the pod running for the next runtime process.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import structlog

from tandem.base.cell import Cell
from tandem.base.clock import Clock
from tandem.base.paths import NodeDir
from tandem.ingest.errors import ApiError, NotFound
from tandem.ingest.kube import KubeClient
from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.model.parse import parse
from tandem.workloads import kernel, netns, sandbox, volumes
from tandem.workloads import record as records
from tandem.workloads.cni import Attachment, Cni, CniError
from tandem.workloads.container import Container, Scene
from tandem.workloads.environment import ConfigError, References, arguments, resolve, wanted
from tandem.workloads.etc import pod_files, pod_hostname
from tandem.workloads.record import ContainerRecord, SandboxRecord
from tandem.workloads.sandbox import DEFAULT_PATH, Bind, Launch, StartError
from tandem.workloads.status import ContainerState, PodState, all_ended, pod_status
from tandem.workloads.waiting import exited

log = structlog.get_logger(__name__)

DRAINED: Final = "tandem.io/drained"
"""Annotation that control sets when no proxy and no kernel sends to the pod any more."""
_DRAIN_LIMIT: Final = 3.0
_RETRY: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_POD: Final = BY_KIND["Pod"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What the pods of a node share."""

    name: str
    address: str
    directory: NodeDir
    client: KubeClient
    cni: Cni
    clock: Clock
    slots: asyncio.Semaphore


class PodWorker:
    """Owns one pod."""

    def __init__(self, node: Node, pod: core.Pod, record: SandboxRecord | None) -> None:
        self.pods: Cell[core.Pod | None] = Cell(pod)
        self._node = node
        self._pod = pod
        self._record = record
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._init_containers: list[Container] = []
        self._containers: list[Container] = []
        self._problem = ("", "")
        self._started_at = node.clock.now()
        self._sandbox = False

    async def run(self) -> None:
        """Until the pod has gone from this node and from the API."""
        async with asyncio.TaskGroup() as tasks:
            reporting = tasks.create_task(self._report())
            life = tasks.create_task(self._live())
            grace = await self._deletion()
            self._stopping.set()
            await self._stop(life, grace)
            reporting.cancel()
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
                reason = "NetworkNotReady" if isinstance(err, CniError) else "SandboxNotReady"
                self._show_problem("ContainerConfigError" if isinstance(err, ConfigError) else reason, str(err))
                await self._discard()
                await self._sleep(_RETRY[min(failures, len(_RETRY) - 1)])
                failures += 1

    async def _ensure_sandbox(self) -> None:
        record = self._record
        if record is not None and record.init.alive:
            self._sandbox = True
            return
        await self._discard()
        meta, attempt = self._pod.metadata, record.attempt + 1 if record else 0
        record = records.new_record(uid=meta.uid, namespace=meta.namespace, name=meta.name, attempt=attempt)
        record = msgspec.structs.replace(
            record,
            containers={
                name: msgspec.structs.replace(c, process=records.Process())
                for name, c in (self._record.containers if self._record else {}).items()
            },
        )
        if self._pod.spec.host_network:
            record = msgspec.structs.replace(record, addresses=(self._node.address,))
            self._save(record)
        else:
            record = msgspec.structs.replace(record, netns=str(netns.path_of(self._node.directory, meta.uid, attempt)))
            self._save(record)
            await kernel.in_thread(partial(sandbox.make_netns, record))
            record = msgspec.structs.replace(record, addresses=await self._node.cni.add(_attachment(record)))
            self._save(record)
        self._changed.set()
        files = pod_files(self._pod, record.addresses, node_name=self._node.name)
        hostname = pod_hostname(self._pod, self._node.name)
        pid = await kernel.in_thread(
            partial(sandbox.start_init, self._node.directory, record, hostname=hostname, files=files)
        )
        self._save(
            msgspec.structs.replace(record, init=records.Process(pid=pid, started=sandbox.identify(pid).started))
        )
        await sandbox.started(self._node.directory, record, pid)
        self._sandbox = True
        self._changed.set()

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
            changed=self._changed.set,
            stopping=self._stopping,
        )
        known = record.containers
        spec = self._pod.spec
        self._init_containers = [
            Container(scene, c, known.get(c.name, ContainerRecord()), once=True) for c in spec.init_containers
        ]
        self._containers = [Container(scene, c, known.get(c.name, ContainerRecord())) for c in spec.containers]
        self._changed.set()
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
            raise StartError("the sandbox's init has ended: the pod gets a new sandbox")
        if not self._stopping.is_set():
            self._changed.set()
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
        """Fetch what the container refers to, write its volumes, resolve its environment."""
        record, node = self._need_record(), self._node
        references = await self._references()
        mounts = {m.name for m in container.volume_mounts}
        folder = volumes.place(record.init)
        for volume in self._pod.spec.volumes:
            if volume.name in mounts:
                volumes.write(folder / volume.name, volumes.files_of(volume, references))
        unknown = mounts - {v.name for v in self._pod.spec.volumes}
        if unknown:
            raise ConfigError(f"volumeMounts: no volume is named {min(unknown)!r}")
        chosen = resolve(self._pod, container, references, addresses=record.addresses, host_ip=node.address)
        hostname = pod_hostname(self._pod, node.name)
        environment = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname, "HOME": "/root", **chosen}
        binds = tuple(
            Bind(volume=f"{m.name}/{m.sub_path}".rstrip("/"), target=m.mount_path, read_only=m.read_only)
            for m in container.volume_mounts
        )
        return Launch(
            argv=arguments(container, chosen), environment=environment, working_dir=container.working_dir, binds=binds
        )

    async def _references(self) -> References:
        maps, secrets = wanted(self._pod)
        found: dict[str, dict[str, object]] = {"ConfigMap": {}, "Secret": {}}
        for kind, names in (("ConfigMap", maps), ("Secret", secrets)):
            for name in sorted(names):
                try:
                    raw = await self._node.client.get(BY_KIND[kind], self._pod.metadata.namespace, name)
                except NotFound:
                    continue
                except ApiError as err:
                    raise ConfigError(f"{kind} {name}: {err.message}") from err
                found[kind][name] = parse(raw)
        return References(config_maps=found["ConfigMap"], secrets=found["Secret"])  # type: ignore[arg-type]

    async def _deletion(self) -> float:
        """Wait for it; the grace in seconds that is left."""
        seen = -1
        while True:
            seen, pod = await self.pods.after(seen)
            if pod is None:
                return 0.0
            self._pod = pod
            if pod.metadata.deletion_timestamp is not None:
                given = pod.metadata.deletion_grace_period_seconds
                return float(pod.spec.termination_grace_period_seconds if given is None else given)

    async def _stop(self, life: asyncio.Task[None], grace: float) -> None:
        """Out of service first, then SIGTERM, then SIGKILL."""
        self._changed.set()
        record = self._record
        if grace > 0 and record is not None and record.addresses and any(c.state.ready for c in self._containers):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained(), _DRAIN_LIMIT)
        for container in (*self._init_containers, *self._containers):
            container.signal(signal.SIGTERM if grace > 0 else signal.SIGKILL)
        await asyncio.wait([life], timeout=grace)
        if self._record is not None:
            sandbox.kill_all(self._record)
        await asyncio.wait([life], timeout=5)
        life.cancel()

    async def _drained(self) -> None:
        seen = -1
        while True:
            seen, pod = await self.pods.after(seen)
            if pod is None or pod.metadata.annotations.get(DRAINED) == "true":
                return

    async def _remove(self) -> None:
        await self._discard()
        shutil.rmtree(self._node.directory.pods / self._pod.metadata.uid, ignore_errors=True)
        meta = self._pod.metadata
        if self.pods.value is None:
            return
        failures = 0
        while True:
            try:
                await self._node.client.delete(_POD, meta.namespace, meta.name, grace_seconds=0)
            except NotFound:
                return
            except ApiError as err:
                log.warning("pod not deleted", namespace=meta.namespace, pod=meta.name, reason=err.message)
                await asyncio.sleep(_RETRY[min(failures, len(_RETRY) - 1)])
                failures += 1
            else:
                return

    async def _discard(self) -> None:
        """End the sandbox and give its address back; the record stays until the next one replaces it."""
        record, self._sandbox = self._record, False
        if record is None:
            return
        await dismantle(self._node.directory, self._node.cni, record)
        self._save(msgspec.structs.replace(record, init=records.Process(), addresses=(), netns=""))

    async def _report(self) -> None:
        """Patch the status whenever it differs from what was last written."""
        written: dict[str, object] = {}
        while True:
            self._changed.clear()
            pod = self.pods.value
            if pod is None:
                return
            if pod.metadata.uid == self._pod.metadata.uid and not pod.finished:
                status = pod_status(pod, self._state(), now=self._node.clock.now())
                if _meaning(status) != written:
                    if not await self._patch(pod, status):
                        await self._sleep(0.5)
                        continue
                    written = _meaning(status)
            await self._changed.wait()

    async def _patch(self, pod: core.Pod, status: dict[str, object]) -> bool:
        meta = pod.metadata
        try:
            await self._node.client.patch(_POD, meta.namespace, meta.name, {"status": status}, subresource="status")
        except NotFound:
            return True
        except ApiError as err:
            log.warning("status not written", namespace=meta.namespace, pod=meta.name, reason=err.message)
            return False
        return True

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
            host_ip=self._node.address,
            started_at=self._started_at,
            sandbox=self._sandbox or all_ended(mine),
            problem=self._problem,
            terminating=self._stopping.is_set() or self._pod.terminating,
        )

    def _show_problem(self, reason: str, message: str) -> None:
        self._problem = (reason, message)
        log.warning("pod not started", pod=self._pod.metadata.name, reason=reason, message=message)
        self._changed.set()

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


async def dismantle(node_dir: NodeDir, cni: Cni, record: SandboxRecord) -> None:
    """End every process of a sandbox, DEL, unpin. A DEL that fails is tried a few times, then left to the agent."""
    sandbox.kill_all(record)
    for process in (*(c.process for c in record.containers.values()), record.init):
        if process.pid:
            await exited(process)  # children that nobody waits for keep a PID namespace from ending
    for wait in _RETRY if record.netns else ():
        try:
            await cni.delete(_attachment(record))
            break
        except CniError as err:
            log.warning("CNI DEL failed", pod=record.name, reason=str(err))
            await asyncio.sleep(wait)
    sandbox.remove(node_dir, record)


def _attachment(record: SandboxRecord) -> Attachment:
    return Attachment(
        container_id=record.container_id,
        netns=record.netns,
        namespace=record.namespace,
        name=record.name,
        uid=record.uid,
    )


def _meaning(status: dict[str, object]) -> dict[str, object]:
    """A status without the times of its conditions, which change with the conditions alone."""
    conditions: Sequence[dict[str, object]] = status["conditions"]  # type: ignore[assignment]
    bare = [{k: v for k, v in c.items() if k != "lastTransitionTime"} for c in conditions]
    return {**status, "conditions": bare}
