"""Who else changes our tables inside the namespaces of pods: one socket for all of them, however many there are.

Port, real one and fake. A netlink socket may be told of every namespace that has a number in the socket's own
(NETLINK_LISTEN_ALL_NSID). This one lies in a namespace that nobody else has, in which only pods that are followed get a
number: nothing is heard of other namespaces, no descriptor is kept for a pod, and none is held back from its end.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from tandem.base.netlink import attribute, message, messages
from tandem.base.netns import in_fresh_netns
from tandem.base.problems import DriverError
from tandem.drivers.nft import watch_wire
from tandem.drivers.nft.watch import UNKNOWN, Change

log = structlog.get_logger(__name__)

TABLE_FAMILY: Final = "inet"
_ROUTE, _NETFILTER = 0, 12
_SOL_NETLINK, _ADD_MEMBERSHIP, _LISTEN_ALL = 270, 1, 8
_GROUP: Final = 7
"""NFNLGRP_NFTABLES."""
_SO_RCVBUFFORCE: Final = 33
_BUFFER: Final = 4 << 20
_KEPT: Final = 1 << 18
"""Bytes of one transaction that are looked into."""
_NEW_NUMBER: Final = 88
"""RTM_NEWNSID (linux/net_namespace.h)."""
_NUMBER, _DESCRIPTOR = 1, 3
_REQUEST_ACK: Final = 5


class PodChange(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else's transaction on a table of ours in one namespace."""

    netns: str
    table: str
    change: Change


class PodsWatch(Protocol):
    """Of all namespaces in which something of ours was applied through `own`."""

    def own(self, netns: str, table: str, work: Callable[[], None]) -> None:
        """Run `work`, one transaction of ours; raises what it raises. From any thread. The namespace is followed."""

    def leave(self, netns: str) -> None:
        """Follow it no more."""

    async def foreign(self) -> tuple[PodChange, ...]:
        """What others have changed since this was last asked, once there is something.

        Raises DriverError if the kernel does not tell.
        """

    def close(self) -> None:
        """Listen no more."""


class _Followed(msgspec.Struct):
    number: int
    inode: int
    due: dict[str, int] = {}
    """By table of ours there: transactions of ours of which the kernel has not told yet."""
    chunks: list[bytes] = []


class KernelPodsWatch:
    """PodsWatch by the kernel. What it cannot follow is applied all the same, and told by `foreign`."""

    def __init__(self, tables: Collection[str]) -> None:
        self._tables = tuple(tables)
        self._lock = threading.Lock()
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        self._followed: dict[str, _Followed] = {}
        self._paths: dict[int, str] = {}
        self._numbers = 0
        self._found: list[PodChange] = []

    def own(self, netns: str, table: str, work: Callable[[], None]) -> None:
        """Run `work`; the one transaction that the kernel tells of for it is ours."""
        with self._lock:
            followed = self._follow(netns)
            followed.due[table] = followed.due.get(table, 0) + 1
        try:
            work()
        except BaseException:
            with self._lock:
                followed.due[table] -= 1
            raise

    def leave(self, netns: str) -> None:
        """Nothing that happens there is told any more."""
        with self._lock:
            self._forget(netns)

    def _follow(self, netns: str) -> _Followed:
        """With a number in our namespace; one that cannot have one is none of the reasons why it has no rules."""
        known = self._followed.get(netns)
        try:
            inode = Path(netns).stat().st_ino
            if known is None or known.inode != inode:
                self._forget(netns)
                self._numbers += 1
                self._give_number(netns, self._numbers)
                known = self._followed[netns] = _Followed(number=self._numbers, inode=inode)
                self._paths[known.number] = netns
        except OSError as err:
            log.error("not watched", netns=netns, error=str(err))
            return _Followed(number=0, inode=0)
        return known

    def _forget(self, netns: str) -> None:
        known = self._followed.pop(netns, None)
        if known is not None:
            self._paths.pop(known.number, None)

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
        """For changes, and for numbers of namespaces; raises OSError."""
        if self._sockets is None:
            self._sockets = in_fresh_netns(_opened)
        return self._sockets

    async def foreign(self) -> tuple[PodChange, ...]:
        """The next changes of others."""
        with self._lock:
            try:
                events, _ = self._open()
            except OSError as err:
                raise DriverError(f"changes of nftables in pods cannot be watched: {err.strerror}") from err
        while not self._found:
            await _readable(events)
            self._take(events)
        found, self._found = tuple(self._found), []
        return found

    def _take(self, events: socket.socket) -> None:
        """Whatever is there."""
        while True:
            try:
                data, ancillary, _, _ = events.recvmsg(1 << 17, 64)
            except BlockingIOError:
                return
            except OSError as err:
                if err.errno != errno.ENOBUFS:
                    raise DriverError(f"changes of nftables in pods cannot be watched: {err.strerror}") from err
                self._overrun()
                continue
            numbers = [value for level, kind, value in ancillary if (level, kind) == (_SOL_NETLINK, _LISTEN_ALL)]
            if numbers:
                with self._lock:
                    self._hear(int.from_bytes(numbers[0], "little", signed=True), data)

    def _hear(self, number: int, data: bytes) -> None:
        netns = self._paths.get(number)
        if netns is None:
            return  # it was left meanwhile
        followed = self._followed[netns]
        done = watch_wire.generation(data)
        if done is None:
            if sum(map(len, followed.chunks)) < _KEPT:
                followed.chunks.append(data)
            return
        chunks, followed.chunks = followed.chunks, []
        for table in self._tables:
            things = watch_wire.changes(chunks, ((TABLE_FAMILY, table),))
            if things and followed.due.get(table, 0) > 0:
                followed.due[table] -= 1
            elif things:
                change = Change(things=things, process=done.process, pid=done.pid)
                self._found.append(PodChange(netns=netns, table=table, change=change))

    def _overrun(self) -> None:
        """The kernel said more than was read: any of them may have been changed."""
        with self._lock:
            for netns, followed in self._followed.items():
                followed.chunks = []
                for table in followed.due:
                    followed.due[table] = 0
                    self._found.append(PodChange(netns=netns, table=table, change=Change(things=(UNKNOWN,))))

    def close(self) -> None:
        """Listen no more."""
        with self._lock:
            for sock in self._sockets or ():
                sock.close()
            self._sockets = None


class FakePodsWatch:
    """PodsWatch that tells what a test says."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[PodChange | DriverError] = asyncio.Queue()
        self.followed: dict[str, set[str]] = {}

    def happen(self, change: PodChange | DriverError) -> None:
        """Somebody changes a table of ours, or the kernel refuses to tell."""
        self._queue.put_nowait(change)

    def own(self, netns: str, table: str, work: Callable[[], None]) -> None:
        """Run `work`, of which nothing is told."""
        self.followed.setdefault(netns, set()).add(table)
        work()

    def leave(self, netns: str) -> None:
        """As if it had not been followed."""
        self.followed.pop(netns, None)

    async def foreign(self) -> tuple[PodChange, ...]:
        """The next thing that happened."""
        found = await self._queue.get()
        if isinstance(found, DriverError):
            raise found
        return (found,)

    def close(self) -> None:
        """Nothing to close."""


def _opened() -> tuple[socket.socket, socket.socket]:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    events = socket.socket(socket.AF_NETLINK, kind, _NETFILTER)
    events.bind((0, 0))  # one without a number of its own is told nothing
    events.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    events.setsockopt(_SOL_NETLINK, _LISTEN_ALL, 1)
    events.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP)
    events.setblocking(False)
    numbers = socket.socket(socket.AF_NETLINK, kind, _ROUTE)
    numbers.bind((0, 0))
    return events, numbers


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
