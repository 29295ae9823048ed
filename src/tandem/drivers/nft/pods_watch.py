"""Who else changes our tables inside the namespaces of pods, by the kernel's own word. Port, real one and fake."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable, Collection
from typing import Final, Protocol

import msgspec
import structlog

from tandem.base.problems import DriverError
from tandem.drivers.nft import watch_wire
from tandem.drivers.nft.watch import UNKNOWN, Change
from tandem.drivers.pods_socket import PodsSocket

log = structlog.get_logger(__name__)

TABLE_FAMILY: Final = "inet"
_NETFILTER: Final = 12
_GROUP: Final = 7
"""NFNLGRP_NFTABLES."""
_BUFFER: Final = 4 << 20
_KEPT: Final = 1 << 18
"""Bytes of one transaction that are looked into."""


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
    due: dict[str, int] = {}
    """By table of ours there: transactions of ours of which the kernel has not told yet."""
    chunks: list[bytes] = []


class KernelPodsWatch:
    """PodsWatch by the kernel. What it cannot follow is applied all the same, and told by `foreign`."""

    def __init__(self, tables: Collection[str]) -> None:
        self._tables = tuple(tables)
        self._lock = threading.Lock()
        self._socket = PodsSocket(_NETFILTER, (_GROUP,), buffer=_BUFFER)
        self._followed: dict[str, _Followed] = {}
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
            self._socket.leave(netns)
            self._followed.pop(netns, None)

    def _follow(self, netns: str) -> _Followed:
        """That a namespace cannot be followed is none of the reasons why it has no rules."""
        try:
            if self._socket.follow(netns):
                self._followed[netns] = _Followed()
        except OSError as err:
            log.error("not watched", netns=netns, error=str(err))
            return _Followed()
        return self._followed[netns]

    async def foreign(self) -> tuple[PodChange, ...]:
        """The next changes of others."""
        try:
            while not self._found:
                await self._socket.readable()
                self._take()
        except OSError as err:
            raise DriverError(f"changes of nftables in pods cannot be watched: {err.strerror}") from err
        found, self._found = tuple(self._found), []
        return found

    def _take(self) -> None:
        """Whatever is there."""
        try:
            for netns, data in self._socket.read():
                with self._lock:
                    self._hear(netns, data)
        except OSError as err:
            if err.errno != errno.ENOBUFS:
                raise
            self._overrun()

    def _hear(self, netns: str, data: bytes) -> None:
        followed = self._followed.get(netns)
        if followed is None:
            return  # it was left meanwhile
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
        self._socket.close()


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
