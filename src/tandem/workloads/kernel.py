"""System calls of sandboxes, by ctypes. In: flags and paths. Out: nothing, or OSError that names call and path.

The calls change the calling thread alone (it must be a thread made by `in_thread`, which is thrown away afterwards):
that makes a sandbox cost about two milliseconds, where helper processes cost fifty.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

CLONE_FS: Final = 0x200
CLONE_NEWNS: Final = 0x20000
CLONE_NEWUTS: Final = 0x4000000
CLONE_NEWIPC: Final = 0x8000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_NODIRATIME: Final = 2048
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MS_SHARED: Final = 1 << 20
MNT_DETACH: Final = 2

_OPEN_TREE: Final = 428
_MOVE_MOUNT: Final = 429
_OPENAT2: Final = 437
_PIDFD_GETFD: Final = 438
"""The same numbers on every architecture (asm-generic/unistd.h)."""
_RESOLVE_BENEATH: Final = 0x08 | 0x02
"""RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS (linux/openat2.h)."""
_WHOLE_TREE: Final = 0x1 | os.O_CLOEXEC | 0x1000 | 0x8000
"""OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_EMPTY_PATH, AT_RECURSIVE (linux/mount.h, linux/fcntl.h)."""
_ONTO: Final = 0x4 | 0x10
"""MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_SYMLINKS (linux/mount.h)."""
_AT_FDCWD: Final = -100
_PR_CAPBSET_READ: Final = 23
_PR_CAPBSET_DROP: Final = 24
CAPABILITIES: Final = {
    "chown": 0,
    "dac_override": 1,
    "fowner": 3,
    "fsetid": 4,
    "kill": 5,
    "setgid": 6,
    "setuid": 7,
    "setpcap": 8,
    "net_bind_service": 10,
    "net_raw": 13,
    "sys_chroot": 18,
    "mknod": 27,
    "audit_write": 29,
    "setfcap": 31,
}
"""What a container may keep: the default set of Kubernetes' runtimes. NET_ADMIN is not in it, NET_RAW is."""

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave namespaces for new ones; the calling thread alone."""
    _check(_LIBC.unshare(flags), "unshare")


def setns(fd: int, flags: int) -> None:
    """Enter namespaces; the calling thread alone."""
    _check(_LIBC.setns(fd, flags), "setns")


def mount(source: str | Path, target: str | Path, kind: str = "", *, flags: int = 0, data: str = "") -> None:
    """Mount a file system."""
    done = _LIBC.mount(
        os.fsencode(source), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None
    )
    _check(done, f"mount {kind or 'bind'} {source} on {target}")


def bind(source: str | Path, target: str | Path, *, flags: int = 0) -> None:
    """A bind mount; `flags` (read-only, nodev ...) need a second step, as mount(2) says."""
    mount(source, target, flags=MS_BIND | MS_REC)
    _set_flags(target, flags)


def bind_open(descriptor: int, target: str | Path, *, flags: int = 0) -> None:
    """As `bind`, of what is open: nobody can put anything else in its place meanwhile."""
    tree = _descriptor(_LIBC.syscall(_OPEN_TREE, descriptor, b"", _WHOLE_TREE), f"open the mount for {target}")
    try:
        done = _LIBC.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), _ONTO)
        _check(done, f"mount on {target}")
    finally:
        os.close(tree)
    _set_flags(target, flags)


def open_beneath(folder: Path, path: str) -> int:
    """A descriptor (O_PATH) of a path below a folder; no link on the way may lead out of it (openat2(2))."""
    base = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        how = struct.pack("=3Q", os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_BENEATH)
        found = _LIBC.syscall(_OPENAT2, base, os.fsencode(path or "."), how, len(how))
        return _descriptor(found, f"{path} in {folder}")
    finally:
        os.close(base)


def _set_flags(target: str | Path, flags: int) -> None:
    if flags:
        mount("none", target, flags=MS_BIND | MS_REMOUNT | flags)


def umount(target: str | Path, flags: int = MNT_DETACH) -> None:
    """Unmount, at once for everybody who looks, later for who still uses it."""
    _check(_LIBC.umount2(os.fsencode(target), flags), f"umount {target}")


def pivot_root(new: str | Path, old: str | Path) -> None:
    """Change the root of the mount namespace."""
    _check(_LIBC.pivot_root(os.fsencode(new), os.fsencode(old)), f"pivot_root {new}")


def descriptor_of(pid: int, number: int) -> int:
    """Another process' descriptor as one of ours (pidfd_getfd(2)); needs its owner's or root's rights."""
    pidfd = os.pidfd_open(pid)
    try:
        return _descriptor(_LIBC.syscall(_PIDFD_GETFD, pidfd, number, 0), f"descriptor {number} of process {pid}")
    finally:
        os.close(pidfd)


def sethostname(name: str) -> None:
    """Name the thread's UTS namespace."""
    raw = name.encode()
    _check(_LIBC.sethostname(raw, len(raw)), "sethostname")


def limit_capabilities() -> None:
    """Drop everything but CAPABILITIES from the thread's bounding set: what it executes can never have more."""
    keep = set(CAPABILITIES.values())
    number = 0
    while _LIBC.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) >= 0:
        if number not in keep:
            _check(_LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), f"drop capability {number}")
        number += 1


async def in_thread(work: Callable[[], T]) -> T:
    """Run `work` in a thread of its own, which ends afterwards with whatever namespaces it entered."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            result, error = work(), None
        except BaseException as err:  # noqa: BLE001 - handed to the waiting task
            result, error = None, err
        loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        # What was begun is finished and recorded by the caller; the cancellation comes at its next await.
        await asyncio.wait([done])
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
            task.cancel()
        return done.result()


def _descriptor(result: int, what: str) -> int:
    _check(min(result, 0), what)
    return result


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
