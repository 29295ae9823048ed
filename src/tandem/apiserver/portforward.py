"""pods/portforward: a client's connections to ports of a pod, carried over SPDY or WebSocket.

In: a request, and the pod that it found. Out: an ASGI application that takes the connection over. Three ways: SPDY
(kubectl up to 1.30), the same tunnelled through a WebSocket (KEP-4006, kubectl from 1.31), and channels of a WebSocket
(v4.channel.k8s.io, clients of other languages), two for each port that the request names.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from tandem.apiserver.errors import Refusal
from tandem.apiserver.inside import PodRef, RunningPod
from tandem.apiserver.streams import negotiation
from tandem.apiserver.streams.channels import numbered
from tandem.apiserver.streams.forward import Dial, Forward
from tandem.apiserver.streams.negotiation import Layer
from tandem.apiserver.streams.spdy.connection import Connection
from tandem.apiserver.streams.spdy.portforward import SUBPROTOCOL, Forwarding
from tandem.apiserver.streams.websocket import WebSocket

TUNNEL: Final = f"SPDY/3.1+{SUBPROTOCOL}"
CHANNELS: Final = "v4.channel.k8s.io"
PORTS: Final = 64
"""That one request may name."""


class PortForward:
    """The ASGI application that answers."""

    def __init__(self, request: Request, ref: PodRef, pod: RunningPod) -> None:
        """Refusal where the request asks for no upgrade, or for one that is not known."""
        self._ref = ref
        self._pod = pod
        self._upgrade = negotiation.upgrade(request, sockets=(TUNNEL, CHANNELS), spdy=(SUBPROTOCOL,))
        self._ports = ports(request.query_params) if self._upgrade.subprotocol == CHANNELS else ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Until the client has gone."""
        del receive, send
        await negotiation.serve(scope, self._upgrade, self._serve)

    async def _serve(self, layer: Layer) -> None:
        if not isinstance(layer, WebSocket):
            await self._spdy(layer)
        elif self._upgrade.subprotocol == TUNNEL:
            await self._spdy(Connection(_Tunnel(layer)))
        else:
            await _channels(layer, {port: self._dial(port) for port in self._ports})

    async def _spdy(self, connection: Connection) -> None:
        async with asyncio.TaskGroup() as tasks:
            await Forwarding(connection, self._dial, tasks).run()

    def _dial(self, port: int) -> Dial:
        return partial(self._dialled, port)

    async def _dialled(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await self._pod.dial(port)
        except OSError as err:
            why = err.strerror or str(err)
            text = f"error forwarding port {port} to pod {self._ref.name}, uid {self._ref.uid}: {why}"
            raise ConnectionRefusedError(err.errno, text) from err


def ports(query: QueryParams) -> tuple[int, ...]:
    """The parameter `ports`, several times or with commas (Kubernetes: PodPortForwardOptions); Refusal 400."""
    texts = [text for value in query.getlist("ports") for text in value.split(",")]
    if not texts:
        raise Refusal(400, 'query parameter "ports" is required')
    if len(texts) > PORTS:
        raise Refusal(400, f"ports: at most {PORTS}")
    wrong = [text for text in texts if not (text.isdigit() and 0 < int(text) < 1 << 16)]
    if wrong:
        raise Refusal(400, f"port {wrong[0]!r}: must be from 1 to 65535")
    return tuple(int(text) for text in texts)


class _Tunnel:
    """The bytes of SPDY in a WebSocket's messages, whose borders mean nothing."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._parts = socket.received()

    async def read(self) -> bytes:
        async for part in self._parts:
            if part.data:
                return part.data
        return b""

    async def write(self, data: bytes) -> None:
        await self._socket.send(data)


class _Pair:
    """The Sink of one port: channel `2n` is its data, `2n + 1` an error's text."""

    def __init__(self, socket: WebSocket, number: int) -> None:
        self._socket = socket
        self._number = number

    async def data(self, data: bytes) -> None:
        await self._socket.send(bytes([2 * self._number]) + data)

    async def finish(self, error: str) -> None:
        if error:
            await self._socket.send(bytes([2 * self._number + 1]) + error.encode())


async def _channels(socket: WebSocket, dials: Mapping[int, Dial]) -> None:
    """Until the connections to all ports have ended; each channel begins with its port's number."""
    for number, port in enumerate(dials):
        for channel in (2 * number, 2 * number + 1):
            await socket.send(bytes([channel]) + struct.pack("<H", port))
    forwards = [Forward(_Pair(socket, number), dial) for number, dial in enumerate(dials.values())]
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(_listen(socket, forwards))
        async with asyncio.TaskGroup() as running:
            for forward in forwards:
                running.create_task(forward.run())
        listening.cancel()


async def _listen(socket: WebSocket, forwards: Sequence[Forward]) -> None:
    async for channel, data in numbered(socket):
        if channel % 2 == 0 and channel // 2 < len(forwards):
            await forwards[channel // 2].take(data)
    raise ConnectionResetError("the client has closed the connection")
