"""A connection to a port on a pod's loopback, as whoever forwards a port makes it.

In: the pod's init, and a port. Out: a stream, whose socket lies in the pod's network namespace.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from functools import partial
from typing import Final

from tandem.workloads import kernel
from tandem.workloads.record import Process

_LOOPBACKS: Final = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
"""In this order: the second where nobody listens on the first."""
_TIMEOUT: Final = 10.0


async def dial(init: Process, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection; raises OSError."""
    connected = await kernel.in_thread(partial(_connect, init, port))
    connected.setblocking(False)
    return await asyncio.open_connection(sock=connected)


def _connect(init: Process, port: int) -> socket.socket:
    """In a thread of its own."""
    namespace = os.open(f"/proc/{init.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not init.alive:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "the pod has ended")
        kernel.setns(namespace, kernel.CLONE_NEWNET)
    finally:
        os.close(namespace)
    refused: OSError | None = None
    for family, address in _LOOPBACKS:
        try:
            return _connected(family, address, port)
        except OSError as err:  # a kernel without IPv6 says less than the refusal before
            refused = refused or err
    raise refused or ConnectionRefusedError(errno.ECONNREFUSED, "connection refused")


def _connected(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.settimeout(_TIMEOUT)
    try:
        made.connect((address, port))
    except OSError:
        made.close()
        raise
    return made
