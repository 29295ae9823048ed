"""Standard input and the terminal of a container that asks for one (`stdin`, `tty`), across restarts of the runtime.

A terminal hangs up, and a pipe ends, once nobody has its other end. The runtime has it, but may be killed: so does a
process beside the container, the keeper, from which the next runtime takes it back. It is in the container's mount
namespace, and ends with the container.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tandem.base import processes
from tandem.workloads import kernel as k
from tandem.workloads.record import ContainerRecord, Process
from tandem.workloads.waiting import exited

Keep = Callable[[int], int]
"""Start a process that has this descriptor as its standard input; its pid."""
_NONE: Final = -1
_PLACE: Final = 0
"""The descriptor's number in the keeper."""


class Console:
    """Our end of one; every instance is closed once."""

    def __init__(self, descriptor: int, keeper: Process, *, terminal: bool, started_here: bool = False) -> None:
        self._descriptor = descriptor
        self.keeper = keeper
        self.terminal = terminal
        self._started_here = started_here

    @classmethod
    def taken_back(cls, record: ContainerRecord) -> Console | None:
        """From the keeper; None if the container has none, or somebody has ended the keeper."""
        if not record.keeper.alive:
            return None
        try:
            descriptor = k.descriptor_of(record.keeper.pid, _PLACE)
        except OSError:
            return None
        return cls(descriptor, record.keeper, terminal=record.terminal)

    @property
    def ended(self) -> bool:
        """Nothing can be said to it any more."""
        return self._descriptor == _NONE

    def again(self) -> Console | None:
        """The same for somebody else, who closes it; None once standard input has ended."""
        if self.ended:
            return None
        return Console(os.dup(self._descriptor), self.keeper, terminal=self.terminal)

    def output(self) -> int:
        """A descriptor of what a terminal shows; the caller closes it."""
        return os.dup(self._descriptor)

    async def write(self, data: bytes) -> None:
        """To the container's standard input; waits while nobody reads it."""
        await pour(self._descriptor, data)

    def end(self) -> None:
        """Standard input ends; that of a terminal does not."""
        if not self.terminal and not self.ended:
            release(self.keeper)
            self.close()

    def resize(self, width: int, height: int) -> None:
        """The terminal's size, in characters."""
        if self.terminal:
            resize(self._descriptor, width, height)

    async def discard(self) -> None:
        """The container has ended: so does the keeper, of whom only his parent may ask how."""
        self.close()
        release(self.keeper)
        if self._started_here:
            await exited(self.keeper)

    def close(self) -> None:
        """Let go of it; the keeper does not."""
        if self._descriptor != _NONE:
            os.close(self._descriptor)
            self._descriptor = _NONE


class Opening:
    """What is opened for a container while it is made, in a thread that is where the container will be."""

    def __init__(self, output: int, *, terminal: bool) -> None:
        self._output = output
        self._terminal = terminal
        self._made: tuple[int, int] | None = None

    def streams(self, keep: Keep) -> tuple[int, int, int]:
        """Descriptors for standard input, output and error of the container; whoever asks closes the first."""
        ours, theirs = os.openpty() if self._terminal else reversed(os.pipe())
        os.set_blocking(ours, False)
        try:
            pid = keep(ours)
        except BaseException:
            os.close(ours)
            os.close(theirs)
            raise
        self._made = ours, pid
        return (theirs, theirs, theirs) if self._terminal else (theirs, self._output, self._output)

    def console(self) -> Console | None:
        """Our end, once there is one; asked for where our own /proc is."""
        if self._made is None:
            return None
        ours, pid = self._made
        keeper = Process(pid=pid, started=processes.start_time(pid) or 0)
        return Console(ours, keeper, terminal=self._terminal, started_here=True)


def release(keeper: Process) -> None:
    """End a keeper, if there is one."""
    if keeper.alive:
        with suppress(ProcessLookupError):
            os.kill(keeper.pid, signal.SIGKILL)


async def pour(descriptor: int, data: bytes) -> bool:
    """Write all of it, waiting while nobody reads; False if nobody ever will."""
    left = memoryview(data)
    while left and descriptor != _NONE:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            await _writable(descriptor)
        except OSError:  # EPIPE, or EIO of a terminal
            return False
    return True


def resize(descriptor: int, width: int, height: int) -> None:
    """The size of a terminal, in characters."""
    with suppress(OSError):
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


async def _writable(descriptor: int) -> None:
    loop, bell = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(descriptor, bell.set)
    try:
        await bell.wait()
    finally:
        loop.remove_writer(descriptor)
