"""A WebSocket (RFC 6455) over a Wire: the library's sans-IO connection, fed with what comes.

In: the request that asked for it. Out: messages both ways. Pings are answered while somebody receives.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.requests import Request

from tandem.apiserver.streams.wire import LINGER, Wire

if TYPE_CHECKING:
    from websockets.server import ServerProtocol

LARGEST: Final = 32 * 1024 * 1024
"""Bytes of a message, as in Kubernetes' server; the Python client sends what it has to write as one."""
SUBPROTOCOL: Final = "Sec-WebSocket-Protocol"
_NORMAL: Final = 1000


class Part(NamedTuple):
    """Some of a message: a client may send one in fragments, of any number."""

    data: bytes
    begins: bool
    """A message begins here; otherwise this goes on with the one before."""


class WebSocket:
    """One connection, open."""

    def __init__(self, protocol: ServerProtocol, wire: Wire) -> None:
        self._protocol = protocol
        self._wire = wire

    async def received(self) -> AsyncIterator[Part]:
        """Data of messages as they come, until the client closes; raises ConnectionError if it breaks the protocol."""
        from websockets.frames import Frame, Opcode

        while data := await self._wire.read():
            self._protocol.receive_data(data)
            for event in self._protocol.events_received():
                if isinstance(event, Frame) and event.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
                    yield Part(bytes(event.data), event.opcode is not Opcode.CONT)
            await self._flush()
            if self._protocol.parser_exc is not None:  # and the client was told
                raise ConnectionAbortedError(str(self._protocol.parser_exc))
            if self._protocol.close_rcvd is not None:
                return

    async def send(self, data: bytes) -> None:
        """One message."""
        self._protocol.send_binary(data)
        await self._flush()

    async def ping(self) -> None:
        """Whatever the answer, and whether there is one."""
        if self._open:
            self._protocol.send_ping(b"")
            await self._flush()

    async def close(self) -> None:
        """Say that this is all, and give the client the time to have read it."""
        if self._open:
            self._protocol.send_close(_NORMAL)
            await self._flush()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    async for _ in self.received():
                        pass

    @property
    def _open(self) -> bool:
        from websockets.protocol import State

        return bool(self._protocol.state is State.OPEN)

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:  # empty: the library's word for half a close, which TLS has not
                await self._wire.write(data)


class Offer:
    """A request for a WebSocket, not answered yet."""

    def __init__(self, request: Request, subprotocol: str) -> None:
        """`subprotocol` is the one that was chosen among those of the request."""
        from websockets.server import ServerProtocol

        # The library would refuse a name with a slash, as that of tunnelled SPDY is: names are none of its business.
        self._subprotocol = subprotocol
        self._protocol = ServerProtocol(max_size=LARGEST)
        head = b"".join(k + b": " + v + b"\r\n" for k, v in request.headers.raw if k != b"sec-websocket-protocol")
        # Nor is the target.
        self._protocol.receive_data(f"{request.method} / HTTP/1.1\r\n".encode() + head + b"\r\n")
        (asked,) = self._protocol.events_received() or (None,)
        self._response: Any = None if asked is None else self._protocol.accept(asked)

    @property
    def refusal(self) -> str:
        """Why this is no request for a WebSocket; empty if it is one."""
        if self._response is None:
            return str(self._protocol.parser_exc)
        return "" if self._response.status_code == 101 else self._response.body.decode().strip()

    def head(self) -> bytes:
        """Of the response that accepts."""
        self._response.headers[SUBPROTOCOL] = self._subprotocol
        self._protocol.send_response(self._response)
        return b"".join(self._protocol.data_to_send())

    def over(self, wire: Wire) -> WebSocket:
        """The connection, once the head was sent."""
        return WebSocket(self._protocol, wire)
