"""Kills a process before the k-th thing that it does to the world outside of itself, whatever code does it.

In: the pid of a running process, which needs no preparation for this. Out: a process that went on as if nobody
watched, or that got SIGKILL at the entry of one system call, which was then not carried out; and what it did before.
It watches system calls (ptrace), so that the steps of a verb are found, not listed: netlink messages that change
something, mounts, files made, written and removed, kernel settings, and answers on named sockets.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_SEIZE: Final = 0x4206
_INTERRUPT: Final = 0x4207
_SYSCALL: Final = 24
_GET_SYSCALL_INFO: Final = 0x420E
_OPTIONS: Final = 1 | 1 << 3  # TRACESYSGOOD | TRACECLONE: threads that are yet to be made are watched as well
_SYSCALL_STOP: Final = signal.SIGTRAP | 0x80
_ENTRY: Final = 1
_WALL: Final = 0x40000000
_NOTHREAD: Final = 0x20000000
_PIDFD_GETFD: Final = 438
_INFO_BYTES: Final = 88
_OWN_OUTPUT: Final = 2
"""The last descriptor of logs."""

# System calls of x86-64 that may change what outlives the process.
_WRITES: Final = {1: "write", 18: "pwrite64", 20: "writev", 44: "sendto", 46: "sendmsg", 77: "ftruncate"}
_OTHERS: Final = {
    82: "rename", 83: "mkdir", 84: "rmdir", 87: "unlink", 90: "chmod", 165: "mount", 166: "umount2",
    258: "mkdirat", 263: "unlinkat", 264: "renameat", 316: "renameat2",
}  # fmt: skip
_OPEN: Final = 257
_NLMSG_BATCH_BEGIN: Final = 16
_NETFILTER: Final = 12

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


@dataclass(slots=True)
class Watch:
    """What a watched process did: one word for each step, and whether it was killed before the next."""

    steps: list[str] = field(default_factory=list)
    killed: bool = False


@contextmanager
def killed_before(pid: int, step: int, *, only: Callable[[str], bool] = bool) -> Iterator[Watch]:
    """Watch a process while the block runs, and kill it when it begins its step number `step` (from 0)."""
    watch = Watch()
    ready, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=_Tracer(pid, step, watch, only).run, args=(ready, done))
    thread.start()
    ready.wait()
    try:
        yield watch
    finally:
        done.set()
        thread.join()


class Row:
    """For `only`: of steps in a row whose words begin in one of these ways, the first alone counts."""

    def __init__(self, *beginnings: str) -> None:
        self._beginnings = beginnings
        self._last = ""

    def __call__(self, what: str) -> bool:
        before = self._last
        self._last = next((b for b in self._beginnings if what.startswith(b)), "")
        return not self._last or self._last != before


class _Tracer:
    """All of it runs in one thread: only the tracer itself may ask about its tracees."""

    def __init__(self, pid: int, step: int, watch: Watch, only: Callable[[str], bool]) -> None:
        self._pid = pid
        self._step = step
        self._watch = watch
        self._only = only
        self._pidfd = os.pidfd_open(pid)
        self._kinds: dict[int, str] = {}

    def run(self, ready: threading.Event, done: threading.Event) -> None:
        try:
            self._seize_every_thread()
            ready.set()
            self._follow(done)
        finally:
            ready.set()
            os.close(self._pidfd)

    def _seize_every_thread(self) -> None:
        """Also those that the last ones make meanwhile; one that has ended needs nobody."""
        seized: set[int] = set()
        while new := {int(entry.name) for entry in Path(f"/proc/{self._pid}/task").iterdir()} - seized:
            for task in new:
                with suppress(ProcessLookupError):
                    _ptrace(_SEIZE, task, data=_OPTIONS)
                    _ptrace(_INTERRUPT, task)
            seized |= new

    def _follow(self, done: threading.Event) -> None:
        """Until the process is gone, or the block has ended: the tracees go on when their tracer's thread ends."""
        while not done.is_set():
            try:
                task, status = os.waitpid(-1, _WALL | _NOTHREAD | os.WNOHANG)
            except ChildProcessError:
                return
            if task == 0:
                done.wait(0.0002)
            elif os.WIFSTOPPED(status):
                with suppress(ProcessLookupError):
                    self._on_stop(task, status)

    def _on_stop(self, task: int, status: int) -> None:
        stopped_by = os.WSTOPSIG(status)
        if stopped_by == _SYSCALL_STOP:
            number, arguments = _entering(task)
            if number >= 0 and (what := self._step_of(number, arguments)) and self._only(what):
                if len(self._watch.steps) == self._step:
                    self._watch.killed = True
                    os.kill(self._pid, signal.SIGKILL)
                    return
                self._watch.steps.append(what)
        passed_on = 0 if stopped_by in {_SYSCALL_STOP, signal.SIGTRAP} or status >> 16 else stopped_by
        _ptrace(_SYSCALL, task, data=passed_on)

    def _step_of(self, number: int, arguments: tuple[int, ...]) -> str:
        """A word for a system call that changes something outside; empty for any other."""
        if number == _OPEN:
            return "create" if arguments[2] & os.O_CREAT and not arguments[2] & os.O_DIRECTORY else ""
        if number in _OTHERS:
            return _OTHERS[number]
        if number not in _WRITES or arguments[0] <= _OWN_OUTPUT:
            return ""
        word, kind = _WRITES[number], self._kind(arguments[0])
        match kind:
            case "netlink" | "netfilter":
                return self._change(kind, number, arguments)
            case "inner":
                return ""
            case _:
                return f"{word} {kind}"

    def _kind(self, descriptor: int) -> str:
        """What a descriptor of the process is: a kind of socket, or the name of a file or of a socket's file."""
        target = str(Path(f"/proc/{self._pid}/fd/{descriptor}").readlink())
        if not target.startswith("socket:"):
            return "inner" if target.startswith(("pipe:", "anon_inode:")) else Path(target).name
        copy = _libc.syscall(_PIDFD_GETFD, self._pidfd, descriptor, 0)
        with socket.socket(fileno=copy) as found:
            if found.family == socket.AF_NETLINK:
                return "netfilter" if found.proto == _NETFILTER else "netlink"
            if found.family != socket.AF_UNIX:
                return "socket"
            path = found.getsockname() or _peer(found)
            return Path(str(path)).name if path else "inner"

    def _change(self, kind: str, number: int, arguments: tuple[int, ...]) -> str:
        """A netlink message that changes something; empty for one that asks."""
        with open(f"/proc/{self._pid}/mem", "rb") as memory:  # noqa: PTH123 - no path has a seek
            place = arguments[1]
            if _WRITES[number] == "sendmsg":
                memory.seek(place + 16)
                memory.seek(struct.unpack("Q", memory.read(8))[0])
                (place,) = struct.unpack("Q", memory.read(8))
            memory.seek(place)
            _, message = struct.unpack("=IH", memory.read(6))
        if kind == "netfilter":
            return kind if message == _NLMSG_BATCH_BEGIN else ""
        # linux/rtnetlink.h: each group of four is NEW, DEL, GET, SET.
        return "" if message % 4 == 2 else f"{kind} {message}"


def _peer(found: socket.socket) -> object:
    try:
        return found.getpeername()
    except OSError:
        return ""


def _entering(task: int) -> tuple[int, tuple[int, ...]]:
    """Number and arguments of the system call that a stopped task is about to begin; -1: it is at its end."""
    info = ctypes.create_string_buffer(_INFO_BYTES)
    _ptrace(_GET_SYSCALL_INFO, task, address=_INFO_BYTES, data=ctypes.addressof(info))
    if info.raw[0] != _ENTRY:
        return -1, ()
    number, *arguments = struct.unpack_from("=7Q", info.raw, 24)
    return number, tuple(arguments)


def _ptrace(request: int, task: int, *, address: int = 0, data: int = 0) -> None:
    if _libc.ptrace(request, task, address, data) == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"ptrace {request:#x} of {task}: {os.strerror(code)}")
