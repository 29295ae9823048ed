"""A SPDY session over bytes: a Wire's, or those of a tunnel through a WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tandem.apiserver.streams.spdy.session import Event, Session
from tandem.apiserver.streams.wire import Bytes, drained


class Connection:
    """One client's."""

    def __init__(self, below: Bytes) -> None:
        self._below = below
        self._session = Session()

    async def events(self) -> AsyncIterator[Event]:
        """What the client says, until it goes; raises SpdyError. Nothing more is read while nobody asks."""
        while data := await self._below.read():
            for event in self._session.receive(data):
                yield event
            await self._flush()

    async def reply(self, stream: int) -> None:
        """Accept a stream."""
        self._session.reply(stream)
        await self._flush()

    async def reset(self, stream: int, status: int) -> None:
        """End a stream both ways."""
        self._session.reset(stream, status)
        await self._flush()

    async def send(self, stream: int, data: bytes, *, ends: bool = False) -> None:
        """Data on a stream; waits while the client is slow."""
        self._session.send(stream, data, ends=ends)
        await self._flush()

    async def ping(self) -> None:
        """Whatever the answer, and whether there is one."""
        self._session.ping()
        await self._flush()

    async def close(self) -> None:
        """Say that this is all, and give the client the time to have read it."""
        self._session.leave()
        await self._flush()
        await drained(self._below)

    async def _flush(self) -> None:
        data = bytes(self._session.outgoing)
        self._session.outgoing.clear()
        if data:
            await self._below.write(data)
