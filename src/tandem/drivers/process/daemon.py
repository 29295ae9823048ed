"""A process that the agent keeps: start, adoption after an agent restart, restart when it dies, end.

A pid file (JSON: pid, start time, digest of what it was started with) lets a new agent recognise the process of the
old one: it goes on running on purpose. One that was started otherwise is replaced; a program that can take over from
its own predecessor is started beside it, and the predecessor ends by itself when its connections have.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import msgspec
import structlog

from tandem.base.cell import Cell
from tandem.base.clock import Clock, SystemClock
from tandem.base.files import PUBLIC, replace_file
from tandem.base.problems import DriverError
from tandem.drivers.process import proc

log = structlog.get_logger(__name__)

_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 10.0
_HEALTHY_AFTER: Final = 30.0
"""Seconds of life after which a death is not counted against it."""
GRACE: Final = 5.0
"""Seconds between the polite signal and the other one."""
_SBIN: Final = "/usr/sbin:/usr/local/sbin"


class PidFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Content of a pid file."""

    pid: int
    start_time: int
    started_with: str
    generation: int = -1
    """How many took over before it; below 0: nobody can take over from it."""
    before: tuple[int, int] | None = None
    """Pid and start time of the one that it took over from, which may still finish its connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStatus:
    """For `tandem status`."""

    pid: int = 0
    """0: not running."""
    version: str = ""
    ready: bool = False
    adopted: bool = False
    """True if it was started by an earlier agent."""
    restarts: int = 0


class Recipe(Protocol):
    """How a process is started. Equal recipes are one wish; a recipe with another digest needs another process."""

    def digest(self) -> str:
        """Of everything that a running process cannot be told later."""

    def prepare(self) -> Sequence[str]:
        """Write the files that it reads when it starts; returns the command line. Raises DriverError."""


@runtime_checkable
class Successive(Recipe, Protocol):
    """How a process is started that can take over from one that runs."""

    def succeeds(self) -> bool:
        """False where that cannot be on this machine."""

    def succeed(self, generation: int) -> Sequence[str]:
        """As `prepare`, for one that can be taken over from; above 0 it takes over from `generation` - 1 itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonFiles:
    """Where one process is recorded."""

    name: str
    """For the log."""
    pid: Path
    log: Path
    others: tuple[Path, ...] = ()
    """What is removed with it when it ends: configuration, sockets."""


@dataclass(frozen=True, slots=True)
class _Off:
    """The wish that it does not run."""


@dataclass(slots=True)
class Daemon:
    """One process; `error` is the class of what `start` raises."""

    files: DaemonFiles
    error: type[DriverError] = DriverError
    clock: Clock = field(default_factory=SystemClock)
    adopted: bool = field(default=False, init=False)
    restarts: int = field(default=0, init=False)
    trouble: str = field(default="", init=False)
    """Why it does not start; empty once it did."""
    started: Cell[int] = field(default_factory=lambda: Cell(0), init=False)
    """Counts the processes that were started or adopted: whoever configures them reads each before changing it."""
    _wanted: Cell[Recipe | _Off | None] = field(default_factory=lambda: Cell(None), init=False)
    _process: proc.Process | None = field(default=None, init=False)
    _before: proc.Process | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """0 if it is not running."""
        return self._process.pid if self._process is not None and self._process.alive() else 0

    def want(self, recipe: Recipe | None) -> None:
        """Run so, or (None) not at all. Before the first wish, what an earlier agent left is neither used nor ended."""
        self._wanted.put(recipe or _Off())

    async def run(self) -> None:
        """Keep it as wanted, with back-off. Ends only when cancelled, and leaves it alive."""
        seen, wanted = await self._wanted.after(0)
        delay = _FIRST_DELAY
        while True:
            if wanted is None or isinstance(wanted, _Off):
                await self.stop()
                seen, wanted = await self._wanted.after(seen)
                continue
            since = self.clock.monotonic()
            try:
                await self.start(wanted)
                self.trouble = ""
            except DriverError as error:
                self.trouble = str(error)
                log.exception("process does not start", name=self.files.name, error=str(error))
            if await self._died(seen):
                delay = _FIRST_DELAY if self.clock.monotonic() - since > _HEALTHY_AFTER else delay
                self.restarts += 1
                log.warning(
                    "process died",
                    name=self.files.name,
                    restarts=self.restarts,
                    again_in=delay,
                    log=str(self.files.log),
                )
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY)
            seen, wanted = self._wanted.version, self._wanted.value

    async def start(self, recipe: Recipe) -> None:
        """Adopt what an earlier agent left, if it was started so, else start one. Idempotent; raises `error`."""
        started_with = recipe.digest()
        left = self._read_pid()
        if left is not None and (process := proc.find(left.pid, left.start_time)) is not None:
            if left.started_with == started_with:
                if self._process is None or self._process.pid != left.pid:
                    self._process, self._before, self.adopted = process, _before(left), True
                    log.info("process adopted", name=self.files.name, pid=left.pid)
                    self.started.put(self.started.value + 1)
                return
            await _end(_before(left))
            if left.generation >= 0 and _successive(recipe) is not None:
                log.info("process was started otherwise, another takes over", name=self.files.name, pid=left.pid)
                await self._spawn(recipe, started_with, left)
                return
            log.info("process was started otherwise, ending it", name=self.files.name, pid=left.pid)
            await process.end(GRACE)
        elif left is not None:
            await _end(_before(left))  # whoever took over from it is dead, and it no longer takes connections
        await self._spawn(recipe, started_with)

    async def stop(self, before: float = 0.0) -> None:
        """End it, also one that an earlier agent left, and remove its files; it may end by itself for `before` seconds.

        Not beside `run`, but by way of `want(None)`.
        """
        left = self._read_pid()
        process = proc.find(left.pid, left.start_time) if left is not None else self._process
        if process is not None and not (before > 0 and await process.wait_for(before)):
            await process.end(GRACE)
        await _end(_before(left) if left is not None else self._before)
        self._process = self._before = None
        for path in (self.files.pid, *self.files.others):
            path.unlink(missing_ok=True)

    def status(self, version: str, *, ready: bool) -> DaemonStatus:
        """What is known here, with what only its own protocol can tell."""
        return DaemonStatus(pid=self.pid, version=version, ready=ready, adopted=self.adopted, restarts=self.restarts)

    def last_words(self) -> str:
        """The end of its log."""
        try:
            return "\n".join(self.files.log.read_text(errors="replace").splitlines()[-5:])
        except FileNotFoundError:
            return "(no log)"

    async def _died(self, seen: int) -> bool:
        """Wait until it is dead (true) or to be run otherwise."""
        if self._process is None:
            return True
        async with asyncio.TaskGroup() as tasks:
            dead = tasks.create_task(self._process.wait())
            other = tasks.create_task(self._wanted.after(seen))
            predecessor = tasks.create_task(self._before.wait()) if self._before is not None else None
            await asyncio.wait({dead, other}, return_when=asyncio.FIRST_COMPLETED)
            died = dead.done()
            for task in (dead, other, predecessor):
                if task is not None:
                    task.cancel()
        return died

    async def _spawn(self, recipe: Recipe, started_with: str, before: PidFile | None = None) -> None:
        """One that takes over from `before`, where that is given.

        Raises `error`, also where the disk is full; then nothing runs that no file tells of.
        """
        files, what, generation = self.files, self.files.name, before.generation + 1 if before is not None else 0
        successive = _successive(recipe)
        try:
            files.pid.parent.mkdir(parents=True, exist_ok=True)
            argv = list(successive.succeed(generation) if successive is not None else recipe.prepare())
            what = argv[0]
            # One that others can take over from may tie its life to its parent's, as Envoy does.
            process = (proc.spawn if successive is None else proc.spawn_orphan)(argv, files.log)
        except OSError as error:
            raise self.error(f"{what}: {error.strerror}") from error
        content = PidFile(
            pid=process.pid,
            start_time=process.start_time,
            started_with=started_with,
            generation=generation if successive is not None else -1,
            before=(before.pid, before.start_time) if before is not None else None,
        )
        try:
            replace_file(files.pid, msgspec.json.encode(content), mode=PUBLIC)
        except OSError as error:
            await process.end(GRACE)
            raise self.error(f"{files.pid}: {error.strerror}") from error
        self._process, self._before, self.adopted = process, _before(content), False
        log.info("process started", name=files.name, pid=process.pid)
        self.started.put(self.started.value + 1)

    def _read_pid(self) -> PidFile | None:
        try:
            return msgspec.json.decode(self.files.pid.read_bytes(), type=PidFile)
        except (FileNotFoundError, msgspec.DecodeError):
            return None


def _successive(recipe: Recipe) -> Successive | None:
    return recipe if isinstance(recipe, Successive) and recipe.succeeds() else None


def _before(found: PidFile) -> proc.Process | None:
    return proc.find(*found.before) if found.before is not None else None


async def _end(process: proc.Process | None) -> None:
    if process is not None:
        await process.end(GRACE)


class Kept:
    """What a server is beside its own protocol: a process that a Daemon keeps."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon

    @property
    def pid(self) -> int:
        """0 if it is not running."""
        return self.daemon.pid

    @property
    def started(self) -> Cell[int]:
        """Counts the processes that were started or adopted: an adopted one may be as an earlier agent wished."""
        return self.daemon.started

    @property
    def trouble(self) -> str:
        """Why it does not start; empty once it did."""
        return self.daemon.trouble

    async def run(self) -> None:
        """Keep it running as wanted, with back-off. Ends only when cancelled, and leaves it alive."""
        await self.daemon.run()

    async def stop(self) -> None:
        """End it, also one that an earlier agent left, and remove its files (after cancelling `run`)."""
        await self.daemon.stop()


class Serves(Protocol):
    """A Kept, as far as the loop that follows views needs it."""

    @property
    def started(self) -> Cell[int]:
        """Counts the processes that were started or adopted."""

    @property
    def trouble(self) -> str:
        """Why none starts; empty once one did."""


def find_program(name: str, package: str, error: type[DriverError] = DriverError) -> str:
    """The path of a program of a Debian package; raises `error`, which names the package."""
    found = shutil.which(name) or shutil.which(name, path=_SBIN)
    if found is None:
        raise error(f"the program {name} is missing: apt-get install {package}")
    return found
