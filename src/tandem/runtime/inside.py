"""The pods of this machine from inside: their logs, programs that run in them for a client, and their ports.

In: the run directory, where every node's records are at hand. Out: what the embedded API server asks for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from tandem.apiserver.inside import CannotStartError, LogQuery, NotRunningError, PodRef, Stdio
from tandem.base.paths import RunDir
from tandem.workloads import started
from tandem.workloads.attached import Attached, AttachError, attach
from tandem.workloads.dial import dial
from tandem.workloads.logs import Selection, has_log, read_logs
from tandem.workloads.program import Program, Wanted, start
from tandem.workloads.record import ContainerRecord, Process, load
from tandem.workloads.sandbox import StartError

log = structlog.get_logger(__name__)


class Pods:
    """All nodes' pods."""

    def __init__(self, run_dir: RunDir) -> None:
        self._dir = run_dir

    def logs(self, pod: PodRef, container: str, query: LogQuery) -> AsyncIterator[bytes]:
        """A container's log, from the directory of the pod's node; FileNotFoundError where there is none (yet)."""
        if not pod.node:
            raise FileNotFoundError(f"pod {pod.namespace}/{pod.name} runs on no node yet")
        node = self._dir.node(pod.node)
        if not has_log(node, pod.uid, container, previous=query.previous):
            which = "no earlier run of it has left one" if query.previous else "it has written none yet"
            raise FileNotFoundError(f"no log of container {container} of pod {pod.namespace}/{pod.name}: {which}")
        return read_logs(node, pod.uid, container, Selection(**asdict(query)))

    def running(self, pod: PodRef, container: str = "") -> Running:
        """The container, or the pod alone; raises NotRunningError."""
        node = self._dir.node(pod.node)
        sandbox = load(node, pod.uid)
        if sandbox is None or not sandbox.init.alive:
            raise NotRunningError(f"pod {pod.namespace}/{pod.name} does not run")
        own = sandbox.containers.get(container, ContainerRecord())
        if container and not own.process.alive:
            raise NotRunningError(f'container not found ("{container}")')
        return Running(
            sandbox.init, own, started.folder_of(node, pod.uid), Place(node.attach_socket, pod.uid, container)
        )

    def end_of_earlier_life(self) -> None:
        """End the programs of a server that was killed: their clients have lost them."""
        for process in started.end_all(self._dir.nodes()):
            log.info("program of an earlier server ended", pid=process.pid)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a container's runtime listens, and what it is called there."""

    socket: Path
    uid: str
    container: str


class Running:
    """One pod, and one of its containers."""

    def __init__(self, init: Process, container: ContainerRecord, records: Path, place: Place) -> None:
        self._init = init
        self._container = container
        self._records = records
        self._place = place

    async def start(self, command: Sequence[str], stdio: Stdio) -> Program:
        """In the container's namespaces, with its environment; raises CannotStartError."""
        try:
            return await start(self._container, command, Wanted(**asdict(stdio)), records=self._records)
        except (StartError, OSError) as err:
            raise CannotStartError(str(err)) from err

    async def attach(self, stdio: Stdio) -> Attached:
        """To the container's own process; raises CannotStartError."""
        place = self._place
        try:
            return await attach(place.socket, place.uid, place.container, stdin=stdio.stdin)
        except AttachError as err:
            raise CannotStartError(str(err)) from err

    async def dial(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """On the pod's loopback; raises OSError."""
        return await dial(self._init, port)
