"""One forwarded connection: both directions end each on its own, and neither waits for ever."""

from __future__ import annotations

import asyncio
from functools import partial

from echoing import echoing
from tandem.apiserver.streams.forward import Forward


class Kept:
    """A client that takes everything."""

    def __init__(self) -> None:
        self.said = b""
        self.error: str | None = None

    async def data(self, data: bytes) -> None:
        self.said += data

    async def finish(self, error: str) -> None:
        self.error = error


def test_what_is_said_comes_back_and_then_the_end() -> None:
    async def story() -> Kept:
        client = Kept()
        async with echoing() as dial, asyncio.TaskGroup() as tasks:
            forward = Forward(client, partial(dial, 80))
            await forward.take(b"before it is dialled ")
            tasks.create_task(forward.run())
            for _ in range(100):
                await forward.take(b"x" * 10000)
            await forward.take(b"", ends=True)
        return client

    kept = asyncio.run(story())
    assert (len(kept.said), kept.error) == (1_000_021, "")


def test_a_refusal_is_told_and_what_comes_later_is_lost() -> None:
    async def story() -> Kept:
        client = Kept()
        async with echoing() as dial:
            forward = Forward(client, partial(dial, 1))
            await forward.run()
            for _ in range(1000):
                await forward.take(b"nobody listens", ends=True)
        return client

    assert asyncio.run(story()).error == "refused"


def test_a_pod_that_closes_lets_go_of_a_client_that_waits() -> None:
    async def story() -> Kept:
        client = Kept()

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.transport.abort()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with server, asyncio.TaskGroup() as tasks:
            forward = Forward(client, partial(asyncio.open_connection, *server.sockets[0].getsockname()))
            tasks.create_task(forward.run())
            for _ in range(200):
                await forward.take(b"x" * 100_000)
        return client

    kept = asyncio.run(asyncio.wait_for(story(), 20))
    assert (kept.said, kept.error) == (b"", "")
