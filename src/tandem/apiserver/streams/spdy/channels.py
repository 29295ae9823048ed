"""The channels of a program as SPDY streams, each begun by the client with the header `streamType`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Final

from tandem.apiserver.streams.channels import Channel, Input
from tandem.apiserver.streams.spdy.connection import Connection
from tandem.apiserver.streams.spdy.session import PROTOCOL_ERROR, Data, Event, Opened, Reset

SUBPROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""By preference, in the header X-Stream-Protocol-Version; over SPDY the two are the same."""
TYPE: Final = "streamtype"
_CREATION: Final = 30.0
"""Seconds that a client has to begin its streams, as in Kubernetes."""
_NAMES: Final = {c.name.lower(): c for c in Channel}


class SpdyChannels:
    """Over a SPDY connection."""

    def __init__(self, connection: Connection, wanted: Collection[Channel]) -> None:
        self._connection = connection
        self._events = connection.events()
        self._wanted = frozenset(wanted)
        self._streams: dict[Channel, int] = {}
        self._channels: dict[int, Channel] = {}
        """Of those that are wanted."""
        self._early: list[Input] = []

    async def opened(self) -> None:
        """Once the client has begun as many streams as its request speaks of.

        They are counted, as in Kubernetes: who asks for a terminal and for stderr, without being a terminal, begins a
        stream for stderr, which stays silent, and none for its size.
        """
        try:
            async with asyncio.timeout(_CREATION):
                while len(self._streams) < len(self._wanted):
                    # What comes on the first streams before the last one has begun is a client's first write at most.
                    self._early += await self._handle(await anext(self._events))
        except TimeoutError:
            raise ConnectionAbortedError("timed out waiting for client to create streams") from None
        except StopAsyncIteration:
            raise ConnectionResetError("the client has gone") from None

    async def received(self) -> AsyncIterator[Input]:
        """Until the client closes the connection."""
        for early in self._early:
            yield early
        self._early.clear()
        async for event in self._events:
            for found in await self._handle(event):
                yield found

    async def send(self, channel: Channel, data: bytes) -> None:
        """On the channel's stream; nobody hears what has none."""
        if data and channel in self._streams:
            await self._connection.send(self._streams[channel], data)

    async def finish(self, status: bytes) -> None:
        """The last word, and the end of every stream."""
        for channel in (Channel.STDOUT, Channel.STDERR, Channel.ERROR):
            if channel in self._streams:
                last = status if channel is Channel.ERROR else b""
                await self._connection.send(self._streams[channel], last, ends=True)

    async def _handle(self, event: Event) -> list[Input]:
        match event:
            case Opened(stream, headers, ends):
                channel = _NAMES.get(headers.get(TYPE, "").lower())
                if channel is None or channel in self._streams:
                    await self._connection.reset(stream, PROTOCOL_ERROR)
                    return []
                self._streams[channel] = stream
                if channel in self._wanted:
                    self._channels[stream] = channel
                await self._connection.reply(stream)
                return [Input(channel, b"", ends=True)] if ends and channel in self._wanted else []
            case Data(stream, data, ends) if stream in self._channels:
                return [Input(self._channels[stream], data, ends)]
            case Reset(stream) if self._channels.get(stream) is Channel.STDIN:
                return [Input(Channel.STDIN, b"", ends=True)]
        return []
