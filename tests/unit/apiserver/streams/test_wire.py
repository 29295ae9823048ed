"""A connection that was handed over, on a real socket pair."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import ParamSpec

import pytest

from tandem.apiserver.streams import wire
from tandem.apiserver.streams.wire import LIMIT, Wire, drained

P = ParamSpec("P")


class _Feeding(asyncio.Protocol):
    """What the HTTP protocol does once its connection is taken over."""

    def __init__(self) -> None:
        self.wire: Wire | None = None

    def data_received(self, data: bytes) -> None:
        assert self.wire is not None
        self.wire.feed(data)

    def connection_lost(self, _: Exception | None) -> None:
        if self.wire is not None:
            self.wire.lost()


class _Flow:
    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    async def drain(self) -> None:
        await asyncio.sleep(0)


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Wire, socket.socket]]:
    """A wire, and the client's end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
    transport, protocol = await asyncio.get_running_loop().create_connection(_Feeding, sock=accepted)
    made = protocol.wire = Wire(transport, _Flow(transport))
    client.setblocking(False)
    try:
        with client:
            yield made, client
    finally:
        made.close()


def on_a_loop(story: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """A test that is a coroutine."""

    @functools.wraps(story)
    def test(*arguments: P.args, **named: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(story(*arguments, **named), 20))

    return test


async def nothing() -> None:
    """A beat that nobody hears."""


@on_a_loop
async def test_bytes_both_ways() -> None:
    async with connected() as (made, client):
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, b"ping")
        assert await made.read() == b"ping"
        await made.write(b"pong")
        assert await loop.sock_recv(client, 100) == b"pong"
        client.close()
        assert await made.read() == b""
        with pytest.raises(ConnectionError):
            await made.write(b"late")


@on_a_loop
async def test_only_so_much_is_taken_from_a_client_that_nobody_reads() -> None:
    async with connected() as (made, client):
        sent = 0
        for _ in range(20):
            with contextlib.suppress(BlockingIOError):
                while True:
                    sent += client.send(bytes(LIMIT))
            await asyncio.sleep(0.01)
        assert len(made._arrived) < sent
        assert len(made._arrived) <= LIMIT + 256 * 1024  # one read of asyncio's
        got = 0
        while got < sent:
            got += len(await made.read())


@on_a_loop
async def test_a_client_that_goes_ends_the_work() -> None:
    async with connected() as (made, client):
        begun = asyncio.Event()

        async def work() -> None:
            begun.set()
            await asyncio.Event().wait()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.while_there(work(), nothing))
            await begun.wait()
            client.close()


@on_a_loop
async def test_a_client_that_goes_with_more_to_say_is_found_by_a_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "BEAT", 0.01)
    async with connected() as (made, client):
        for _ in range(20):  # until its kernel holds what ours does not take
            with contextlib.suppress(BlockingIOError):
                while True:
                    client.send(bytes(LIMIT))
            await asyncio.sleep(0.01)
        client.close()
        await made.while_there(asyncio.Event().wait(), lambda: made.write(b"beat"))  # type: ignore[arg-type]


@on_a_loop
async def test_a_server_that_ends_ends_the_work_which_may_still_speak() -> None:
    async with connected() as (made, client):

        async def work() -> None:
            made.leave()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await made.write(b"bye")
                raise

        await made.while_there(work(), nothing)
        assert await asyncio.get_running_loop().sock_recv(client, 100) == b"bye"


@on_a_loop
async def test_work_that_is_done_ends_the_beat() -> None:
    async with connected() as (made, _):
        await made.while_there(nothing(), nothing)


@on_a_loop
async def test_what_a_client_still_says_is_read_until_it_closes() -> None:
    async with connected() as (made, client):
        await asyncio.get_running_loop().sock_sendall(client, b"not read")
        client.shutdown(socket.SHUT_WR)
        await drained(made)


@on_a_loop
async def test_a_client_that_stays_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LINGER", 0.01)
    async with connected() as (made, _):
        await drained(made)
