"""Which TCP ports listen inside a network namespace: the kernel's own word on whether Envoy's listeners are there.

In: the path of a namespace. Out: port numbers. Envoy acknowledges a listener before it has its certificate and routes,
and listens only afterwards.
"""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path
from typing import Final

from tandem.base.problems import DriverError

CLONE_NEWNET: Final = 0x40000000
_LISTEN: Final = "0A"


def listening(netns: str) -> frozenset[int]:
    """Ports of IPv4 sockets in the state LISTEN in that namespace; raises DriverError if it cannot be entered."""
    found: list[frozenset[int] | OSError] = []

    def look() -> None:
        try:
            found.append(_ports(netns))
        except OSError as err:
            found.append(err)

    thread = threading.Thread(target=look, name="listening")
    thread.start()
    thread.join()
    if isinstance(found[0], OSError):
        raise DriverError(f"network namespace {netns}: {found[0].strerror}")
    return found[0]


def _ports(netns: str) -> frozenset[int]:
    handle = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(handle)
    rows = [line.split() for line in Path("/proc/thread-self/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return frozenset(int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTEN)
