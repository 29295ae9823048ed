"""A program that somebody runs in a container: its streams without blocking, its end, and that of all it started.

In: the record of a container. Out: a Program. Nothing is buffered here: what nobody reads fills the pipe, and the
program waits.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tandem.base import processes
from tandem.workloads import kernel, sandbox, started, tree
from tandem.workloads.console import pour, resize
from tandem.workloads.record import ContainerRecord, Process
from tandem.workloads.sandbox import Launch, Streams
from tandem.workloads.waiting import status_of

_CHUNK: Final = 32 * 1024
_QUIET: Final = 0.2
"""Seconds without output after which a program that has ended is taken at its word, though a child that goes on in the
background has the stream still open."""
_NONE: Final = -1
_NULL: Final = "/dev/null"
_TERMINAL: Final = {"TERM": "xterm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody takes part in; the rest is /dev/null."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool
    """All three are a terminal of the pod's."""


@dataclass(slots=True)
class _Ends:
    """Our ends of its streams; a terminal is one for all."""

    stdin: int = _NONE
    stdout: int = _NONE
    stderr: int = _NONE

    def close(self) -> None:
        for descriptor in {self.stdin, self.stdout, self.stderr} - {_NONE}:
            os.close(descriptor)
        self.stdin = self.stdout = self.stderr = _NONE


class Program:
    """One that runs. Whoever started it closes it."""

    def __init__(self, process: Process, ends: _Ends, note: Path) -> None:
        self._process = process
        self._note = note
        self._ends = ends
        self._over = asyncio.Event()
        self._code = 0
        self._bells: set[asyncio.Event] = set()
        self._watch = os.pidfd_open(process.pid)  # a child's number stays its own until we have asked how it ended
        asyncio.get_running_loop().add_reader(self._watch, self._ended)

    def output(self) -> AsyncIterator[bytes]:
        """Standard output, or the terminal's, to its end."""
        return self._chunks(self._ends.stdout)

    def errors(self) -> AsyncIterator[bytes]:
        """Standard error, to its end."""
        return self._chunks(self._ends.stderr)

    async def write(self, data: bytes) -> None:
        """To standard input; waits while nobody reads it. What comes after the program has closed it is lost."""
        if not await pour(self._ends.stdin, data):
            self.close_input()

    def close_input(self) -> None:
        """Standard input ends; that of a terminal does not."""
        if self._ends.stdin not in {_NONE, self._ends.stdout}:
            os.close(self._ends.stdin)
            self._ends.stdin = _NONE

    def resize(self, width: int, height: int) -> None:
        """The terminal's size, in characters."""
        resize(self._ends.stdout, width, height)

    async def ended(self) -> int:
        """The exit status; 128 and the signal's number if one killed it."""
        await self._over.wait()
        return self._code

    async def kill(self) -> None:
        """SIGKILL to it and everything that it started."""
        await asyncio.to_thread(tree.end, self._process)
        await self._over.wait()

    def close(self) -> None:
        """Let go of its streams, and of its record."""
        self._ends.close()
        self._note.unlink(missing_ok=True)
        self._unwatch()

    async def _chunks(self, descriptor: int) -> AsyncIterator[bytes]:
        while True:
            try:
                data = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                if not await self._more(descriptor):
                    return
            except OSError:  # EIO: nobody has the terminal any more
                return
            else:
                if not data:
                    return
                yield data

    async def _more(self, descriptor: int) -> bool:
        """Whether to read again; not if the program has ended and nobody writes."""
        loop, bell = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(descriptor, bell.set)
        self._bells.add(bell)
        try:
            async with asyncio.timeout(_QUIET if self._over.is_set() else None):
                await bell.wait()
        except TimeoutError:
            return False
        finally:
            self._bells.discard(bell)
            loop.remove_reader(descriptor)
        return True

    def _ended(self) -> None:
        self._unwatch()
        self._code = status_of(self._process.pid)
        self._over.set()
        for bell in self._bells:
            bell.set()

    def _unwatch(self) -> None:
        if self._watch != _NONE:
            asyncio.get_running_loop().remove_reader(self._watch)
            os.close(self._watch)
            self._watch = _NONE


async def start(container: ContainerRecord, command: Sequence[str], wanted: Wanted, *, records: Path) -> Program:
    """Run a command as if it were the container's own; raises StartError or OSError.

    While it runs it is on record in the folder `records`, which is `started.folder_of` its pod.
    """
    environment = {**container.environment, **(_TERMINAL if wanted.tty else {})}
    order = Launch(argv=command, environment=environment, working_dir=container.working_dir)
    ends = _Ends()
    streams = partial(_terminal if wanted.tty else _pipes, ends, wanted)
    join = partial(sandbox.join, container.process, order, streams, terminal=wanted.tty)
    try:
        pid = await kernel.in_thread(join)
    except BaseException:
        ends.close()
        raise
    process = Process(pid=pid, started=processes.start_time(pid) or 0)
    return Program(process, ends, started.note(records, process))


def _pipes(ends: _Ends, wanted: Wanted) -> Streams:
    """The program's ends; ours do not block."""
    stdin, stdout, stderr = (os.open(_NULL, os.O_RDWR | os.O_CLOEXEC) for _ in range(3))
    if wanted.stdin:
        os.close(stdin)
        stdin, ends.stdin = os.pipe()
        os.set_blocking(ends.stdin, False)
    if wanted.stdout:
        os.close(stdout)
        ends.stdout, stdout = os.pipe()
        os.set_blocking(ends.stdout, False)
    if wanted.stderr:
        os.close(stderr)
        ends.stderr, stderr = os.pipe()
        os.set_blocking(ends.stderr, False)
    return Streams(stdin, stdout, stderr)


def _terminal(ends: _Ends, wanted: Wanted) -> Streams:
    """A terminal out of the pod's own /dev/pts."""
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    ends.stdout = ours
    if wanted.stdin:
        ends.stdin = ours
    return Streams(theirs, theirs, theirs)
