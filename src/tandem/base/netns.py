"""Run a piece of work inside a network namespace, in a thread that is thrown away: no other thread ever moves.

Python 3.11 has no `os.setns`, so it is called through ctypes.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

CLONE_NEWNET: Final = 0x40000000
OWN_NETNS: Final = "/proc/self/ns/net"
"""The network namespace of this process."""


def identity(path: str) -> tuple[int, int] | None:
    """What all paths to one namespace have in common; None: there is nothing at this one."""
    try:
        found = os.stat(path)  # noqa: PTH116 - pathlib would resolve it
    except OSError:
        return None
    return found.st_dev, found.st_ino


def in_netns(path: str, work: Callable[[], T]) -> T:
    """What `work` returns in the namespace at `path`, or raises; OSError if that cannot be entered."""
    return _in_thread(lambda: _enter(path), work)


def in_fresh_netns(work: Callable[[], T]) -> T:
    """The same in a new namespace, which is there for as long as something that `work` returns lies in it."""
    return _in_thread(_leave, work)


def _in_thread(enter: Callable[[], None], work: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            enter()
            results.append(work())
        except Exception as err:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(err)

    thread = threading.Thread(target=run, name="netns")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _enter(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(handle)


def _leave() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
