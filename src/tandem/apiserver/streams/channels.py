"""The channels of a program that runs for a client: what each is, and how they share a WebSocket.

In: messages of the subprotocols v4.channel.k8s.io and v5.channel.k8s.io, whose first byte names the channel. Out: the
same channels that SPDY has as streams (`streams/spdy/channels.py`).
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Collection
from typing import Final, NamedTuple, Protocol

from tandem.apiserver.streams.websocket import WebSocket

SUBPROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""By preference. Version 5 adds the end of a channel (KEP-4006), without which standard input has none."""
_ENDS: Final = 255


class Channel(enum.IntEnum):
    """Numbered as in the subprotocols."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4


class Input(NamedTuple):
    """Of the client, on STDIN or RESIZE."""

    channel: Channel
    data: bytes
    ends: bool = False


class Channels(Protocol):
    """Between one client and one program."""

    async def opened(self) -> None:
        """Once the client knows that its channels are there; raises ConnectionError if it does not make them."""

    def received(self) -> AsyncIterator[Input]:
        """Until the client closes the connection."""

    async def send(self, channel: Channel, data: bytes) -> None:
        """Waits while the client is slow."""

    async def finish(self, status: bytes) -> None:
        """The last word, on the channel ERROR, and the end of every channel."""


async def numbered(socket: WebSocket) -> AsyncIterator[tuple[int, bytes]]:
    """(channel, data) of each message, or of each fragment of one, until the client closes."""
    number = None
    async for part in socket.received():
        data = part.data
        if part.begins or number is None:  # an empty first fragment names no channel yet
            number, data = (data[0], data[1:]) if data else (None, b"")
        if number is not None:
            yield number, data


class SocketChannels:
    """Over a WebSocket."""

    def __init__(self, socket: WebSocket, wanted: Collection[Channel]) -> None:
        self._socket = socket
        self._wanted = wanted

    async def opened(self) -> None:
        """An empty message tells the client, as Kubernetes' server does."""
        first = min((c for c in (Channel.STDOUT, Channel.STDERR) if c in self._wanted), default=Channel.ERROR)
        await self.send(first, b"")

    async def received(self) -> AsyncIterator[Input]:
        """Until the client closes the connection."""
        async for number, data in numbered(self._socket):
            if number == _ENDS and data[:1] == bytes([Channel.STDIN]):
                yield Input(Channel.STDIN, b"", ends=True)
            elif number in {Channel.STDIN, Channel.RESIZE} and number in self._wanted:
                yield Input(Channel(number), data)

    async def send(self, channel: Channel, data: bytes) -> None:
        """One message."""
        await self._socket.send(bytes([channel]) + data)

    async def finish(self, status: bytes) -> None:
        """The last word; the end is that of the connection."""
        await self.send(Channel.ERROR, status)
