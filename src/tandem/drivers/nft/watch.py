"""Who else changes our tables: the kernel's own notifications, from which our own transactions are taken out.

Port, real one and fake. A transaction of ours is one that was carried out while `own` ran: the kernel counts the
generations of a namespace's ruleset, and the number before and after leaves no other, unless somebody was in between.
What the kernel tells of others' tables is not looked into.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable, Collection
from typing import Final, Protocol

import msgspec

from tandem.base.problems import DriverError
from tandem.drivers.nft import watch_wire
from tandem.drivers.nft.netlink import Netlink
from tandem.drivers.nft.watch_wire import Generation, Table

_NETLINK_NETFILTER: Final = 12
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_GROUP: Final = 7
"""NFNLGRP_NFTABLES."""
_SO_RCVBUFFORCE: Final = 33
_BUFFER: Final = 8 << 20
_KEPT: Final = 1 << 20
"""Bytes of one transaction that are looked into: names of what was changed are in the first of them."""
LOOK_SECONDS: Final = 15.0
"""After so long without a word the number of the generation is looked at: a word may have been lost."""
UNKNOWN: Final = "what was changed is not known: the kernel said more at once than could be read"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else's transaction on our tables."""

    things: tuple[str, ...]
    """Each in words: `rule of chain policy-forward removed`."""
    process: str = ""
    pid: int = 0


class NftWatch(Protocol):
    """Of one network namespace. One caller waits for changes; transactions of our own are one after the other."""

    async def own(self, work: Callable[[], None]) -> None:
        """Run `work`, a transaction of ours, in a thread; raises what it raises."""

    async def foreign(self) -> Change:
        """The next change that somebody else makes; raises DriverError if the kernel does not tell."""

    def close(self) -> None:
        """Listen no more."""


class Span(msgspec.Struct):
    """Generations after `before` and up to `after`, of which (mostly: the only) one is ours."""

    before: int
    after: int
    claimed: bool = False

    def __contains__(self, number: int) -> bool:
        return self.before < number <= self.after

    @property
    def alone(self) -> bool:
        """Nobody else had a transaction meanwhile."""
        return self.after - self.before == 1


class KernelWatch:
    """NftWatch of the namespace in which it is made; `tables` are ours."""

    def __init__(self, tables: Collection[Table]) -> None:
        self._tables = tuple(tables)
        self._spans: deque[Span] = deque(maxlen=256)
        self._idle = asyncio.Event()
        self._idle.set()
        self._turn = asyncio.Lock()
        self._chunks: list[bytes] = []
        self._known = 0
        self._events: socket.socket | None = None
        self._netlink = Netlink()

    def open(self) -> None:
        """Begin to listen: what is changed from now on is told. Raises DriverError."""
        try:
            sock = _socket()
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
            sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP)
        except OSError as err:
            raise DriverError(f"changes of nftables cannot be watched: {err.strerror}") from err
        sock.setblocking(False)
        self._known = self._current()
        self._events = sock

    def _current(self) -> int:
        """The number of the namespace's current generation; raises DriverError."""
        try:
            (answer,) = self._netlink.ask(watch_wire.ask(), bool)
        except OSError as err:
            raise DriverError(f"nftables: {err.strerror}") from err
        found = watch_wire.generation(answer)
        if found is None:
            raise DriverError("nftables: the kernel does not tell the generation of its rules; is the process root?")
        return found.number

    def close(self) -> None:
        """Listen no more."""
        self._netlink.close()
        if self._events is not None:
            self._events.close()
            self._events = None

    async def own(self, work: Callable[[], None]) -> None:
        """Run `work`; no notification is judged meanwhile."""
        async with self._turn:
            self._idle.clear()
            try:
                await asyncio.to_thread(self._spanned, work)
            finally:
                self._idle.set()

    def _spanned(self, work: Callable[[], None]) -> None:
        before = self._current()
        try:
            work()
        finally:
            self._spans.append(Span(before=before, after=self._current()))

    async def foreign(self) -> Change:
        """The next change of somebody else."""
        if self._events is None:
            self.open()
        assert self._events is not None  # noqa: S101 - just opened
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    data = await loop.sock_recv(self._events, 1 << 17)
            except TimeoutError:
                change = await self._overrun()
            except OSError as err:
                if err.errno != errno.ENOBUFS:
                    raise DriverError(f"changes of nftables cannot be watched: {err.strerror}") from err
                change = await self._overrun()
            else:
                change = await self._take(data)
            if change is not None:
                return change

    async def _take(self, data: bytes) -> Change | None:
        done = watch_wire.generation(data)
        if done is None:
            if sum(map(len, self._chunks)) < _KEPT:
                self._chunks.append(data)
            return None
        chunks, self._chunks = self._chunks, []
        await self._idle.wait()
        return self._judge(done, chunks)

    def _judge(self, done: Generation, chunks: list[bytes]) -> Change | None:
        if done.number <= self._known:
            return None  # told before the overrun that it is part of
        self._known = done.number
        span = next((s for s in self._spans if done.number in s), None)
        if span is not None and span.alone:
            return None
        things = watch_wire.changes(chunks, self._tables)
        if not things:
            return None
        if span is not None and not span.claimed:
            span.claimed = True
            return None
        return Change(things=things, process=done.process, pid=done.pid)

    async def _overrun(self) -> Change | None:
        """The kernel may have said more than was read: nothing is wrong if all of it was ours."""
        await self._idle.wait()
        self._chunks = []
        first, self._known = self._known + 1, self._current()
        ours = all(any(n in s and s.alone for s in self._spans) for n in range(first, self._known + 1))
        return None if ours else Change(things=(UNKNOWN,))


class FakeWatch:
    """NftWatch that tells what a test says."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Change | DriverError] = asyncio.Queue()

    def happen(self, change: Change | DriverError) -> None:
        """Somebody changes our tables, or the kernel refuses to tell."""
        self._queue.put_nowait(change)

    async def own(self, work: Callable[[], None]) -> None:
        """Run `work`, of which nothing is told."""
        await asyncio.to_thread(work)

    async def foreign(self) -> Change:
        """The next thing that happened."""
        found = await self._queue.get()
        if isinstance(found, DriverError):
            raise found
        return found

    def close(self) -> None:
        """Nothing to close."""


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    sock.bind((0, 0))  # one without a number of its own is told nothing
    return sock
