"""One connection that is forwarded into a pod: dialled there, then bytes both ways, each with an end of its own.

In: what the client sends (`take`). Out: calls of a Sink. What the client sent and the pod did not take yet is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

CHUNK: Final = 32 * 1024
_WAITING: Final = 32
"""Pieces of a client's that wait for the pod; as long as there are so many, nothing is read from the client."""

Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Sink(Protocol):
    """Back to the client."""

    async def data(self, data: bytes) -> None:
        """From the pod; waits while the client is slow."""

    async def finish(self, error: str) -> None:
        """No more comes, and why if something went wrong."""


class Forward:
    """One connection."""

    def __init__(self, sink: Sink, dial: Dial) -> None:
        self._sink = sink
        self._dial = dial
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self._over = False

    async def take(self, data: bytes, *, ends: bool = False) -> None:
        """From the client; waits while the pod is slow. What comes after the pod has closed is lost."""
        if data and not self._over:
            await self._pieces.put(data)
        if ends and not self._over:
            await self._pieces.put(b"")

    async def run(self) -> None:
        """Until the pod has closed the connection."""
        try:
            error = await self._carried()
        finally:
            self._over = True
            while not self._pieces.empty():  # whoever waits to put something can go on
                self._pieces.get_nowait()
        await self._sink.finish(error)

    async def _carried(self) -> str:
        try:
            reader, writer = await self._dial()
        except OSError as err:
            return err.strerror or str(err)
        try:
            async with asyncio.TaskGroup() as tasks:
                up = tasks.create_task(self._up(writer))
                await self._down(reader)
                up.cancel()
        finally:
            writer.close()
        return ""

    async def _up(self, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # the pod has closed: `_down` sees it too
            while piece := await self._pieces.get():
                writer.write(piece)
                await writer.drain()
            writer.write_eof()

    async def _down(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                data = await reader.read(CHUNK)
            except OSError:  # reset by the pod
                return
            if not data:
                return
            await self._sink.data(data)
