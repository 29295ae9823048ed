"""Forwarded connections over SPDY: each is a pair of streams that the client begins, for data and for an error's text.

In: a SPDY connection whose streams have the headers `streamType`, `port` and `requestID`. Out: calls of `dial`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tandem.apiserver.streams.forward import Dial, Forward
from tandem.apiserver.streams.spdy.connection import Connection
from tandem.apiserver.streams.spdy.session import PROTOCOL_ERROR, Data, Event, Opened, Reset

SUBPROTOCOL: Final = "portforward.k8s.io"
_TYPE: Final = "streamtype"
_KINDS: Final = ("data", "error")


@dataclass(slots=True)
class _Pair:
    """The streams of one request, as they come."""

    port: int
    streams: dict[str, int] = field(default_factory=dict)


class _Streams:
    """The Sink of a pair."""

    def __init__(self, connection: Connection, pair: _Pair) -> None:
        self._connection = connection
        self._streams = pair.streams

    async def data(self, data: bytes) -> None:
        await self._connection.send(self._streams["data"], data)

    async def finish(self, error: str) -> None:
        await self._connection.send(self._streams["error"], error.encode(), ends=True)
        await self._connection.send(self._streams["data"], b"", ends=True)


class Forwarding:
    """All connections of one client."""

    def __init__(self, connection: Connection, dial: Callable[[int], Dial], tasks: asyncio.TaskGroup) -> None:
        self._connection = connection
        self._dial = dial
        self._tasks = tasks
        self._pairs: dict[str, _Pair] = {}
        self._forwards: dict[int, Forward] = {}
        """By the number of the data stream."""
        self._running: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until the client goes, and with it its connections."""
        try:
            async for event in self._connection.events():
                await self._handle(event)
        finally:
            for task in self._running.values():
                task.cancel()

    async def _handle(self, event: Event) -> None:
        match event:
            case Opened(stream, headers, ends):
                await self._opened(stream, headers)
                if ends:
                    await self._take(stream, b"", ends=True)
            case Data(stream, data, ends):
                await self._take(stream, data, ends=ends)
            case Reset(stream) if stream in self._running:
                self._running[stream].cancel()

    async def _take(self, stream: int, data: bytes, *, ends: bool) -> None:
        if stream in self._forwards:
            await self._forwards[stream].take(data, ends=ends)

    async def _opened(self, stream: int, headers: dict[str, str]) -> None:
        kind, port = headers.get(_TYPE, ""), headers.get("port", "")
        # Clients of Kubernetes 1.2 and older send no requestID; nobody speaks for them any more.
        request = headers.get("requestid", "")
        pair = self._pairs.get(request)
        known = kind in _KINDS and port.isdigit() and 0 < int(port) < 1 << 16 and request
        if not known or (pair is not None and (pair.port != int(port) or kind in pair.streams)):
            await self._connection.reset(stream, PROTOCOL_ERROR)
            return
        pair = pair or self._pairs.setdefault(request, _Pair(int(port)))
        pair.streams[kind] = stream
        await self._connection.reply(stream)
        if kind == "data":
            # Its data may come before the other stream does.
            self._forwards[stream] = Forward(_Streams(self._connection, pair), self._dial(pair.port))
        if len(pair.streams) == len(_KINDS):
            del self._pairs[request]
            number = pair.streams["data"]
            task = self._tasks.create_task(self._forwards[number].run())
            self._running[number] = task
            task.add_done_callback(lambda _: self._forget(number))

    def _forget(self, stream: int) -> None:
        del self._forwards[stream], self._running[stream]
