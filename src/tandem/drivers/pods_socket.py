"""What the kernel tells of the namespaces of pods: one netlink socket for all of them, however many there are.

A netlink socket may be told of every namespace that has a number in the socket's own (NETLINK_LISTEN_ALL_NSID). This
one lies in a namespace that nobody else has, in which only pods that are followed get a number: nothing is heard of
other namespaces, no descriptor is kept for a pod, and none is held back from its end.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from tandem.base.netlink import attribute, message, messages
from tandem.base.netns import in_fresh_netns

_SOL_NETLINK, _ADD_MEMBERSHIP, _LISTEN_ALL = 270, 1, 8
_SO_RCVBUFFORCE: Final = 33
_NEW_NUMBER: Final = 88
"""RTM_NEWNSID (linux/net_namespace.h)."""
_NUMBER, _DESCRIPTOR = 1, 3
_REQUEST_ACK: Final = 5


class PodsSocket:
    """Of one protocol and its groups; `buffer`: bytes that may wait to be read. Namespaces are followed by path."""

    def __init__(self, protocol: int, groups: Collection[int], *, buffer: int) -> None:
        self._protocol = protocol
        self._groups = tuple(groups)
        self._buffer = buffer
        self._lock = threading.Lock()
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        self._followed: dict[str, tuple[int, int]] = {}
        """Number and inode by path."""
        self._paths: dict[int, str] = {}
        self._numbers = 0

    def follow(self, netns: str) -> bool:
        """Hear of this namespace; False if it was followed already. From any thread; raises OSError."""
        with self._lock:
            inode = Path(netns).stat().st_ino
            known = self._followed.get(netns)
            if known is not None and known[1] == inode:
                return False
            self._forget(netns)
            self._numbers += 1
            self._give_number(netns, self._numbers)
            self._followed[netns], self._paths[self._numbers] = (self._numbers, inode), netns
            return True

    def leave(self, netns: str) -> None:
        """Nothing that happens there is told any more. From any thread."""
        with self._lock:
            self._forget(netns)

    def _forget(self, netns: str) -> None:
        known = self._followed.pop(netns, None)
        if known is not None:
            self._paths.pop(known[0], None)

    def _give_number(self, netns: str, number: int) -> None:
        _, numbers = self._open()
        with Path(netns).open("rb") as handle:
            wanted = attribute(_DESCRIPTOR, struct.pack("=I", handle.fileno()))
            wanted += attribute(_NUMBER, struct.pack("=i", number))
            numbers.send(message(_NEW_NUMBER, _REQUEST_ACK, bytes(4) + wanted))
        ((_, answer),) = messages(numbers.recv(1 << 12))
        (code,) = struct.unpack_from("=i", answer)
        if code:
            raise OSError(-code, os.strerror(-code))

    def _open(self) -> tuple[socket.socket, socket.socket]:
        """For changes, and for numbers of namespaces."""
        if self._sockets is None:
            self._sockets = in_fresh_netns(self._opened)
        return self._sockets

    def _opened(self) -> tuple[socket.socket, socket.socket]:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        events = socket.socket(socket.AF_NETLINK, kind, self._protocol)
        events.bind((0, 0))  # one without a number of its own is told nothing
        events.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, self._buffer)
        events.setsockopt(_SOL_NETLINK, _LISTEN_ALL, 1)
        for group in self._groups:
            events.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        events.setblocking(False)
        numbers = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        numbers.bind((0, 0))
        return events, numbers

    async def readable(self) -> None:
        """Return once there is something to read; raises OSError if the kernel does not tell."""
        with self._lock:
            events, _ = self._open()
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(events, _settle, ready)
        try:
            await ready
        finally:
            loop.remove_reader(events)

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Path and message of whatever is there; raises OSError, with ENOBUFS where the kernel had said more."""
        with self._lock:
            events, _ = self._open()
        while True:
            try:
                data, ancillary, _, _ = events.recvmsg(1 << 17, 64)
            except BlockingIOError:
                return
            for level, kind, value in ancillary:
                if (level, kind) == (_SOL_NETLINK, _LISTEN_ALL):
                    path = self._paths.get(int.from_bytes(value, "little", signed=True))
                    if path is not None:  # else it was left meanwhile
                        yield path, data

    def close(self) -> None:
        """Listen no more."""
        with self._lock:
            for sock in self._sockets or ():
                sock.close()
            self._sockets = None


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
