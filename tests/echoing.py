"""A server on loopback that says everything again, and what dials it."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def echoing() -> AsyncIterator[Callable[[int], Awaitable[Streams]]]:
    """Any port but 1, which is refused, leads there."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    (host, number) = server.sockets[0].getsockname()

    async def dial(port: int) -> Streams:
        if port == 1:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        return await asyncio.open_connection(host, number)

    try:
        yield dial
    finally:
        server.close()
        await server.wait_closed()
