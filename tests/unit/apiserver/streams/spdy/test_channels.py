"""Channels as streams: begun by the client, known by their header, ended each on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from spdyclient import Client, Frame, Pipe, control, data
from tandem.apiserver.streams.channels import Channel, Input
from tandem.apiserver.streams.spdy import channels
from tandem.apiserver.streams.spdy.channels import SpdyChannels
from tandem.apiserver.streams.spdy.connection import Connection

WANTED = frozenset({Channel.ERROR, Channel.STDIN, Channel.STDOUT})


def begun(client: Client) -> list[bytes]:
    """Streams 1, 3 and 5."""
    kinds = ("error", "stdin", "stdout")
    return [client.opens(2 * n + 1, {"streamtype": kind}) for n, kind in enumerate(kinds)]


def test_a_programs_channels() -> None:
    error, stdin, stdout = begun(Client())
    pipe = Pipe(error, stdin, data(3, b"early"), stdout, data(3, b"late"), data(3, b"", ends=True))

    async def story() -> list[Input]:
        made = SpdyChannels(Connection(pipe), WANTED)
        await made.opened()
        got = [said async for said in made.received()]
        await made.send(Channel.STDOUT, b"out")
        await made.finish(b"{}")
        return got

    assert [(said.data, said.ends) for said in asyncio.run(story())] == [
        (b"early", False),
        (b"late", False),
        (b"", True),
    ]
    assert [f for f in pipe.frames if f.kind == 0] == [
        Frame(0, 5, b"out"),
        Frame(0, 5, b"", ends=True),
        Frame(0, 1, b"{}", ends=True),
    ]


def test_a_stream_of_no_known_kind_or_of_one_that_is_there_is_reset() -> None:
    client = Client()
    kinds = ("other", "error", "error")
    pipe = Pipe(*(client.opens(2 * n + 1, {"streamtype": kind}) for n, kind in enumerate(kinds)))

    async def story() -> None:
        made = SpdyChannels(Connection(pipe), {Channel.ERROR})
        await made.opened()
        assert [said async for said in made.received()] == []

    asyncio.run(story())
    assert [(f.kind, f.stream) for f in pipe.frames] == [(3, 1), (2, 3), (3, 5)]


def test_a_client_of_a_terminal_may_begin_a_stream_for_stderr_in_place_of_that_for_its_size() -> None:
    client = Client()
    kinds = ("error", "stdout", "stderr")
    pipe = Pipe(*(client.opens(2 * n + 1, {"streamtype": kind}) for n, kind in enumerate(kinds)), data(5, b"?"))

    async def story() -> list[Input]:
        made = SpdyChannels(Connection(pipe), {Channel.ERROR, Channel.STDOUT, Channel.RESIZE})
        await made.opened()
        await made.send(Channel.RESIZE, b"nobody")
        await made.finish(b"{}")
        return [said async for said in made.received()]

    assert asyncio.run(story()) == []
    assert [f for f in pipe.frames if f.kind == 0] == [
        Frame(0, 3, b"", ends=True),
        Frame(0, 5, b"", ends=True),
        Frame(0, 1, b"{}", ends=True),
    ]


def test_a_reset_of_standard_input_is_its_end() -> None:
    client = Client()
    pipe = Pipe(*begun(client), control(3, b"\0\0\0\3\0\0\0\5"))

    async def story() -> list[Input]:
        made = SpdyChannels(Connection(pipe), WANTED)
        await made.opened()
        return [said async for said in made.received()]

    assert asyncio.run(story()) == [Input(Channel.STDIN, b"", ends=True)]


class Silent(Pipe):
    """A client that says nothing."""

    async def read(self) -> bytes:
        await asyncio.Event().wait()
        return b""


@pytest.mark.parametrize(("client", "why"), [(Silent, "timed out"), (Pipe, "gone")])
def test_a_client_that_begins_no_streams_is_not_waited_for(
    client: Callable[[], Pipe], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "_CREATION", 0.01)
    with pytest.raises(ConnectionError, match=why):
        asyncio.run(SpdyChannels(Connection(client()), WANTED).opened())
