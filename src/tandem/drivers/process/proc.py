"""A process that may outlive us: known by pid and start time, waited for through a pidfd, child or not.

A pid alone is reused by the kernel; with the start time of /proc/PID/stat it names one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Final

_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class Process:
    """One process; `start_time` is in clock ticks since boot."""

    def __init__(self, pid: int, start_time: int) -> None:
        self.pid = pid
        self.start_time = start_time

    def alive(self) -> bool:
        """True while it runs; a dead child is reaped by asking."""
        _reap(self.pid)
        # 0: it was dead before its start time could be read.
        return self.start_time != 0 and start_time(self.pid) == self.start_time

    async def wait(self) -> None:
        """Return when it is dead."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        loop, dead = asyncio.get_running_loop(), asyncio.Event()
        try:
            if not self.alive():
                return
            loop.add_reader(pidfd, dead.set)
            try:
                await dead.wait()
            finally:
                loop.remove_reader(pidfd)
        finally:
            os.close(pidfd)
        _reap(self.pid)

    async def wait_for(self, seconds: float) -> bool:
        """True if it died within so many seconds."""
        with contextlib.suppress(TimeoutError):
            # Not asyncio.wait_for: before Python 3.12 it loses a cancellation that comes with the result.
            async with asyncio.timeout(seconds):
                await self.wait()
        return not self.alive()

    async def end(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds; returns when it is dead."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive():
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            if await self.wait_for(grace):
                return


def find(pid: int, started: int) -> Process | None:
    """The process if it still runs."""
    process = Process(pid, started)
    return process if process.alive() else None


def spawn(argv: list[str], log: Path) -> Process:
    """Start `argv` in a session of its own (our signals are not its), output appended to `log`; raises OSError."""
    pid = os.posix_spawn(
        argv[0],
        argv,
        dict(os.environ),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), _APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return Process(pid, start_time(pid))


def spawn_orphan(argv: list[str], log: Path) -> Process:
    """As `spawn`, of a program that would end with its parent: it has none but the first process; raises OSError."""
    Path(argv[0]).stat()  # the shell would tell of a missing program in the log alone
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as told:
        try:
            shell = os.posix_spawn(
                "/bin/sh",
                ["sh", "-c", '"$@" >&2 & echo $!', "sh", *argv],
                dict(os.environ),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, writing, 1),
                    (os.POSIX_SPAWN_OPEN, 2, str(log), _APPEND, 0o600),
                ],
                setsid=True,
            )
        finally:
            os.close(writing)
        pid = int(told.readline())
    os.waitpid(shell, 0)
    return Process(pid, start_time(pid))


def start_time(pid: int) -> int:
    """Field 22 of /proc/PID/stat; 0 if there is no such process, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in {"Z", "X"} else int(fields[19])


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
