"""Clients at the processes of a node's containers: the runtime's end of `attached.py`, on a socket of the node.

In: connections, each with a first message that names a container. Out: what the container writes from then on, until
it ends; and to it what the client says. A client that takes too little is let go: the container waits for nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import structlog

from tandem.workloads.console import Console
from tandem.workloads.logs import LogWriter

log = structlog.get_logger(__name__)

CHUNK: Final = 64 * 1024
"""The largest message."""
MOST_WAITING: Final = 1024 * 1024
"""Bytes that may wait for one client."""
RETRY_SECONDS: Final = 5.0
_BACKLOG: Final = 32


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The first message."""

    uid: str
    container: str
    stdin: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The first message back; without an error the rest follows."""

    error: str = ""
    unknown: bool = False
    """There is no such container, or it is not known yet."""


class Said(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="said"):
    """A client's: something for standard input."""

    data: bytes = b""
    ends: bool = False


class Resized(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="resized"):
    """A client's: the size of its terminal."""

    width: int
    height: int


FROM_CLIENT: Final = msgspec.msgpack.Decoder(Said | Resized)
Key = tuple[str, str]
"""(uid of the pod, name of the container)."""


class Live:
    """A container that runs. `over` is set when it does not any more."""

    def __init__(self, log: LogWriter, console: Console | None, *, once: bool) -> None:
        self.log = log
        self.console = console
        self.once = once
        """Standard input ends with the first client that had it."""
        self.over = asyncio.Event()


class Outbox:
    """What waits for a client."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._bell = asyncio.Event()
        self.ended = False
        self.slow = False

    def put(self, data: bytes) -> None:
        """From the container; beyond the bound the client is too slow."""
        self._size += len(data)
        if self._size > MOST_WAITING:
            self.slow = True
            self.end()
            return
        self._chunks += (data[i : i + CHUNK] for i in range(0, len(data), CHUNK))
        self._bell.set()

    def end(self) -> None:
        """Nothing comes any more."""
        self.ended = True
        self._bell.set()

    async def take(self) -> bytes:
        """The next piece; empty at the end."""
        while not self._chunks or self.slow:
            if self.ended:
                return b""
            self._bell.clear()
            await self._bell.wait()
        data = self._chunks.popleft()
        self._size -= len(data)
        return data


class AttachServer:
    """One per runtime process; `live` is kept by the containers."""

    def __init__(self, path: Path, live: dict[Key, Live]) -> None:
        self._path = path
        self._live = live

    async def run(self) -> None:
        """Until cancelled."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as listener:
            while not self._bind(listener):  # noqa: ASYNC110 - a file system has no event
                await asyncio.sleep(RETRY_SECONDS)
            listener.listen(_BACKLOG)
            async with asyncio.TaskGroup() as tasks:
                while True:
                    connection, _ = await asyncio.get_running_loop().sock_accept(listener)
                    tasks.create_task(self._serve(connection))

    def _bind(self, listener: socket.socket) -> bool:
        """False where there is no room for it: pods run without."""
        umask = os.umask(0o177)
        try:
            self._path.unlink(missing_ok=True)
            with short(self._path) as path:
                listener.bind(path)
        except OSError as err:
            log.error("nobody can attach to containers", reason=str(err))
            return False
        finally:
            os.umask(umask)
        return True

    async def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                message = await asyncio.get_running_loop().sock_recv(connection, CHUNK)
                await self._answer(connection, msgspec.msgpack.decode(message, type=Asked))
            except msgspec.DecodeError as err:
                log.warning("attach not understood", reason=str(err))
            except OSError as err:
                log.debug("client of a container gone", reason=str(err))
            except Exception:
                # One client must not end the runtime of a node.
                log.exception("attach failed")

    async def _answer(self, connection: socket.socket, asked: Asked) -> None:
        live = self._live.get((asked.uid, asked.container))
        if live is None:
            await _send(connection, Answer(error=f'container not found ("{asked.container}")', unknown=True))
        elif asked.stdin and (live.console is None or live.console.ended):
            await _send(connection, Answer(error=f"container {asked.container} has no standard input any more"))
        else:
            await _converse(connection, live, stdin=asked.stdin)


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """Another name of a socket: the kernel takes none of more than 107 bytes."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


async def _send(connection: socket.socket, message: msgspec.Struct) -> None:
    await asyncio.get_running_loop().sock_sendall(connection, msgspec.msgpack.encode(message))


async def _converse(connection: socket.socket, live: Live, *, stdin: bool) -> None:
    outbox, console = Outbox(), live.console.again() if stdin and live.console is not None else None
    live.log.taps.add(outbox.put)
    try:
        await _send(connection, Answer())
        async with asyncio.TaskGroup() as tasks:
            works = [
                tasks.create_task(_show(connection, outbox)),
                tasks.create_task(_hear(connection, live, console)),
                tasks.create_task(_until_over(live, outbox)),
            ]
            await asyncio.wait(works[:2], return_when=asyncio.FIRST_COMPLETED)
            for work in works:
                work.cancel()
    finally:
        live.log.taps.discard(outbox.put)
        if console is not None:
            console.close()
        if stdin and live.once and live.console is not None:
            live.console.end()


async def _until_over(live: Live, outbox: Outbox) -> None:
    await live.over.wait()
    outbox.end()


async def _show(connection: socket.socket, outbox: Outbox) -> None:
    with contextlib.suppress(OSError):
        while data := await outbox.take():
            await asyncio.get_running_loop().sock_sendall(connection, data)


async def _hear(connection: socket.socket, live: Live, console: Console | None) -> None:
    """Until the client has gone."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        while message := await asyncio.get_running_loop().sock_recv(connection, 2 * CHUNK):
            match FROM_CLIENT.decode(message):
                case Said(data=data, ends=ends) if console is not None:
                    await console.write(data)
                    if ends and live.once and live.console is not None:
                        console.end()
                        live.console.end()
                case Resized(width=width, height=height) if live.console is not None:
                    live.console.resize(width, height)
