"""A client's end of a container's own process: what it writes from now on, and its standard input (`attach.py`).

In: the socket of a node's runtime. Out: something like a Program (`program.py`), which is not ended when it is let go.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from tandem.workloads.attach import CHUNK, Answer, Asked, Resized, Said, short

PATIENCE: Final = 5.0
_LIMIT: Final = 10.0
_AGAIN: Final = 0.05


class AttachError(Exception):
    """The runtime is away, or has no such container; the text is for the client."""


class Attached:
    """One connection. Whoever made it closes it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._over = asyncio.Event()

    async def output(self) -> AsyncIterator[bytes]:
        """Until the container ends, or the runtime."""
        with suppress(OSError):
            while data := await asyncio.get_running_loop().sock_recv(self._connection, CHUNK):
                yield data
        self._over.set()

    async def errors(self) -> AsyncIterator[bytes]:
        """Nothing: a container's standard error is where its output is."""
        nothing: tuple[bytes, ...] = ()
        for chunk in nothing:
            yield chunk

    async def write(self, data: bytes) -> None:
        """To standard input."""
        for i in range(0, len(data), CHUNK):
            await self._send(Said(data=data[i : i + CHUNK]))

    def close_input(self) -> None:
        """The client's input ends; with `stdinOnce` so does the container's."""
        with suppress(OSError):
            self._connection.send(msgspec.msgpack.encode(Said(ends=True)))

    def resize(self, width: int, height: int) -> None:
        """The client's terminal, in characters."""
        with suppress(OSError):
            self._connection.send(msgspec.msgpack.encode(Resized(width=width, height=height)))

    async def ended(self) -> int:
        """0 once nothing comes any more: how a container ended is in the pod's status."""
        if not self._over.is_set():
            async for _ in self.output():
                pass
        return 0

    async def kill(self) -> None:
        """The client has gone; the container goes on."""

    def close(self) -> None:
        """Let go."""
        self._connection.close()

    async def _send(self, message: Said) -> None:
        with suppress(OSError):  # it has ended; what comes after that is lost
            await asyncio.get_running_loop().sock_sendall(self._connection, msgspec.msgpack.encode(message))


async def attach(path: Path, uid: str, container: str, *, stdin: bool, patience: float = PATIENCE) -> Attached:
    """To a container of the runtime that listens there, or comes back within so many seconds; raises AttachError."""
    loop = asyncio.get_running_loop()
    asked, until = Asked(uid=uid, container=container, stdin=stdin), loop.time() + patience
    while True:
        try:
            return await _attach(path, asked)
        except _NotYetError as err:
            if loop.time() >= until:
                raise AttachError(str(err)) from err
            await asyncio.sleep(_AGAIN)


class _NotYetError(Exception):
    """What may be otherwise in a moment: a runtime that begins takes over one container after the other."""


async def _attach(path: Path, asked: Asked) -> Attached:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_LIMIT):
            with short(path) as name:
                await loop.sock_connect(connection, name)
            await loop.sock_sendall(connection, msgspec.msgpack.encode(asked))
            answer = msgspec.msgpack.decode(await loop.sock_recv(connection, CHUNK), type=Answer)
    except (OSError, TimeoutError, msgspec.DecodeError) as err:
        connection.close()
        raise _NotYetError(f"the node's runtime does not answer: {err or 'no answer in time'}") from err
    except BaseException:
        connection.close()
        raise
    if answer.error:
        connection.close()
        raise _NotYetError(answer.error) if answer.unknown else AttachError(answer.error)
    return Attached(connection)
