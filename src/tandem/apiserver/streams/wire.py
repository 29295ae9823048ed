"""A connection that HTTP has handed over: bytes both ways with bounded buffers, and the moment when the client goes.

In: what the transport receives (`feed`, `lost`). Out: `read`, `write`, `while_there`. While nobody reads, nothing is
taken from the socket beyond LIMIT; that the client has left is noticed all the same. The kernel is asked (EPOLLRDHUP),
and now and then something is sent: where what the client had still to send keeps its farewell from coming through, its
kernel answers that with a reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, Protocol

LIMIT: Final = 65536
BEAT: Final = 5.0
LINGER: Final = 5.0


class Flow(Protocol):
    """The transport's brakes."""

    def pause_reading(self) -> None:
        """Take nothing from the socket."""

    def resume_reading(self) -> None:
        """Go on."""

    async def drain(self) -> None:
        """Until what was written has mostly left."""


class Bytes(Protocol):
    """Bytes both ways: a Wire, or what is tunnelled through one."""

    async def read(self) -> bytes:
        """What has come; empty at the end."""

    async def write(self, data: bytes) -> None:
        """Send, and wait while the client is slow; raises ConnectionError if it has gone."""


class Wire:
    """One connection. Whoever got it closes it."""

    def __init__(self, transport: asyncio.Transport, flow: Flow) -> None:
        self._transport = transport
        self._flow = flow
        self._arrived = bytearray()
        self._bell = asyncio.Event()
        self._gone = asyncio.Event()
        self._leaving = asyncio.Event()
        self._watch: select.epoll | None = select.epoll()
        self._watch.register(transport.get_extra_info("socket").fileno(), select.EPOLLRDHUP)
        asyncio.get_running_loop().add_reader(self._watch.fileno(), self.lost)

    def feed(self, data: bytes) -> None:
        """Received by the transport."""
        self._arrived += data
        self._bell.set()
        if len(self._arrived) > LIMIT:
            self._flow.pause_reading()

    def lost(self) -> None:
        """The client has gone."""
        self._gone.set()
        self._bell.set()
        if self._watch is not None:
            asyncio.get_running_loop().remove_reader(self._watch.fileno())
            self._watch.close()
            self._watch = None

    def leave(self) -> None:
        """The server ends: so does the work, which may still say so."""
        self._leaving.set()

    async def read(self) -> bytes:
        """What has come since the last call; empty once the client has gone and all of it was read."""
        while not self._arrived:
            if self._gone.is_set():
                return b""
            self._bell.clear()
            await self._bell.wait()
        data = bytes(self._arrived)
        self._arrived.clear()
        self._flow.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send; waits while the client is slow, raises ConnectionError if it has gone."""
        if self._gone.is_set():
            raise ConnectionResetError("the client has gone")
        self._transport.write(data)
        await self._flow.drain()

    async def while_there(self, work: Coroutine[None, None, None], beat: Callable[[], Awaitable[None]]) -> None:
        """Do the work, with a `beat` from time to time; it is cancelled if the client goes before.

        So it is when the server ends.
        """
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(work)
            ends = [tasks.create_task(event.wait()) for event in (self._gone, self._leaving)]
            beating = tasks.create_task(_beating(beat))
            await asyncio.wait((working, *ends), return_when=asyncio.FIRST_COMPLETED)
            for task in (working, beating, *ends):
                task.cancel()

    def close(self) -> None:
        """End the connection."""
        self.lost()
        self._transport.close()


async def _beating(beat: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(BEAT)
        await beat()


async def drained(below: Bytes) -> None:
    """Until the client has closed its end, or LINGER is over.

    A socket that is closed while something unread lies in it resets the connection, and what was last written may
    never be read.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while await below.read():
                pass
