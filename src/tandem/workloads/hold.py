"""Which processes belong to a container: those in its mount namespace, whoever started them and whatever their session.

In: a descriptor of the namespace. While it is open, the kernel gives the namespace's number to no other one, so that
nobody else's process can be taken for a container's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tandem.base import processes
from tandem.workloads.record import Process

_ROUNDS: Final = 100
_PAUSE: Final = 0.01


class Hold:
    """Keeps a mount namespace. Every instance is closed once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._inode = os.fstat(descriptor).st_ino

    @classmethod
    def of(cls, process: Process) -> Hold | None:
        """The namespace of a running process; None if it has ended."""
        try:
            descriptor = os.open(f"/proc/{process.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        hold = cls(descriptor)
        if process.alive:  # still the same one: then so was the namespace
            return hold
        hold.close()
        return None

    def processes(self) -> Iterator[Process]:
        """Everything that runs in the namespace now."""
        for entry in os.listdir("/proc"):  # noqa: PTH208 - names are all that is needed
            if entry.isdigit() and _inode(entry) == self._inode:
                started = processes.start_time(int(entry))
                if started is not None:
                    yield Process(pid=int(entry), started=started)

    def kill(self) -> bool:
        """SIGKILL to all of them; False if there was nobody."""
        found = list(self.processes())
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        return bool(found)

    async def end(self) -> None:
        """Kill until nobody is left: who is killed may have forked just before."""
        for _ in range(_ROUNDS):
            if not self.kill():
                return
            await asyncio.sleep(_PAUSE)

    def close(self) -> None:
        """Let go of the namespace."""
        os.close(self._descriptor)


@contextlib.contextmanager
def closing_descriptor(descriptor: int) -> Iterator[int]:
    """A descriptor for as long as the block runs."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def own_namespaces() -> int:
    """A descriptor of the directory of the calling thread's namespaces: it leads there from any other root."""
    path = Path(f"/proc/self/task/{threading.get_native_id()}/ns")
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _inode(pid: str) -> int:
    try:
        return os.stat(f"/proc/{pid}/ns/mnt").st_ino  # noqa: PTH116 - a link that only stat can follow
    except OSError:
        return 0
