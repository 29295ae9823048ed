"""Entering, pinning and releasing network namespaces by system call, in the calling thread; no forks.

Python 3.11 has neither `os.setns` nor `mount`, so both are called through ctypes.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tandem.drivers.link.port import NetnsError

CLONE_NEWNET: Final = 0x40000000
MS_BIND: Final = 0x1000
MNT_DETACH: Final = 2

_libc: Final = ctypes.CDLL(None, use_errno=True)


def open_netns(path: str) -> int:
    """A descriptor of the namespace at `path`; NetnsError names the path and what is wrong with it."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NetnsError(f"network namespace {path!r}: {error.strerror}") from error


def same_netns(one: int, other: int) -> bool:
    """True if both descriptors are of one namespace."""
    a, b = os.fstat(one), os.fstat(other)
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


def enter(netns: int, path: str) -> None:
    """Move the calling thread into the namespace."""
    if _libc.setns(netns, CLONE_NEWNET):
        code = ctypes.get_errno()
        reason = "it is not a network namespace" if code == errno.EINVAL else os.strerror(code)
        raise NetnsError(f"cannot enter network namespace {path!r}: {reason}")


@contextmanager
def inside(path: str, *, home: int) -> Iterator[int]:
    """Run a block in the namespace at `path`, then return to `home`; refuses `home` itself. Yields a descriptor."""
    target = open_netns(path)
    try:
        if same_netns(target, home):
            raise NetnsError(f"network namespace {path!r} is the node's own")
        enter(target, path)
        try:
            yield target
        finally:
            enter(home, "of the node")
    finally:
        os.close(target)


def is_pinned(target: Path) -> bool:
    """True if a namespace is mounted at `target`."""
    try:
        return target.stat().st_dev != target.parent.stat().st_dev
    except FileNotFoundError:
        return False


def bind(source: str, target: Path) -> None:
    """Bind-mount a namespace onto a file of ours, made for it."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(open_netns(source))
    target.touch(mode=0o400)
    if _libc.mount(source.encode(), str(target).encode(), b"none", MS_BIND, None):
        code = ctypes.get_errno()
        target.unlink()
        raise NetnsError(f"cannot pin network namespace {source!r} at {target}: {os.strerror(code)}")


def unbind(target: Path) -> None:
    """Unmount and remove the file; fine if neither is there.

    Removing the file also detaches the mount in every other mount namespace that has a copy of it.
    """
    while is_pinned(target):
        if _libc.umount2(str(target).encode(), MNT_DETACH):
            raise NetnsError(f"cannot release {target}: {os.strerror(ctypes.get_errno())}")
    with suppress(FileNotFoundError):
        target.unlink()
