"""uvicorn with connections that the application takes over, on a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.responses import PlainTextResponse

from tandem.apiserver.upgrading import UpgradingProtocol, switching, taken_over

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n"
Story = Callable[[asyncio.StreamReader, asyncio.StreamWriter, uvicorn.Server], Awaitable[None]]


async def shouting(scope: Any, receive: Any, send: Any) -> None:
    """Everything in capitals, for who asks for an upgrade."""
    if (b"upgrade", b"shout") not in scope["headers"]:
        await PlainTextResponse("no upgrade")(scope, receive, send)
        return
    wire = taken_over(scope, switching("shout", ("X-Loud", "yes")))

    async def shout() -> None:
        while data := await wire.read():
            await wire.write(data.upper())

    async def silence() -> None:
        """No beat is needed."""

    await wire.while_there(shout(), silence)
    wire.close()


def talk(story: Story) -> None:
    async def run() -> None:
        config = uvicorn.Config(shouting, http=UpgradingProtocol, ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            serving = asyncio.get_running_loop().create_task(server._serve([listening]))
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            await story(reader, writer, server)
            writer.close()
            server.should_exit = True
            await serving

    asyncio.run(asyncio.wait_for(run(), 20))


def test_the_connection_is_the_applications() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: uvicorn.Server) -> None:
        writer.write(HEAD)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"X-Loud: yes\r\n" in head
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"HELLO"

    talk(story)


def test_requests_before_it_on_the_same_connection_are_plain() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: uvicorn.Server) -> None:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readuntil(b"no upgrade")).startswith(b"HTTP/1.1 200")
        writer.write(HEAD)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")

    talk(story)


def test_an_upgrade_that_was_not_taken_ends_the_connection_which_could_carry_no_other_request() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: uvicorn.Server) -> None:
        writer.write(HEAD.replace(b"shout", b"whisper"))
        answer = await reader.read()
        assert b"connection: close\r\n" in answer
        assert answer.endswith(b"no upgrade")

    talk(story)


def test_a_server_that_ends_closes_it() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: uvicorn.Server) -> None:
        writer.write(HEAD)
        await reader.readuntil(b"\r\n\r\n")
        server.should_exit = True
        assert await reader.read() == b""

    talk(story)
