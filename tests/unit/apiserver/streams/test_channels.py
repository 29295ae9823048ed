"""Channels of a WebSocket: the first byte of a message says which, however the message is cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from tandem.apiserver.streams.channels import Channel, Input, SocketChannels
from tandem.apiserver.streams.websocket import Part, WebSocket

ALL = frozenset(Channel)


class Socket:
    """Messages of a client, each in its fragments, and what was sent to it."""

    def __init__(self, *messages: tuple[bytes, ...]) -> None:
        self._messages = messages
        self.sent: list[bytes] = []

    async def received(self) -> AsyncIterator[Part]:
        for fragments in self._messages:
            for number, fragment in enumerate(fragments):
                yield Part(fragment, number == 0)

    async def send(self, data: bytes) -> None:
        self.sent.append(data)


def heard(*messages: tuple[bytes, ...], wanted: frozenset[Channel] = ALL) -> list[Input]:
    async def story() -> list[Input]:
        made = SocketChannels(cast("WebSocket", Socket(*messages)), wanted)
        return [said async for said in made.received()]

    return asyncio.run(story())


def test_fragments_belong_to_the_channel_of_their_message() -> None:
    size = b'{"Width":1,"Height":2}'
    found = heard((b"\x00a", b"b"), (b"\x04" + size,), (b"", b"\x00c"), (b"",))
    stdin = [Input(Channel.STDIN, text) for text in (b"a", b"b", b"c")]
    assert found == [*stdin[:2], Input(Channel.RESIZE, size), stdin[2]]


def test_the_end_of_standard_input_is_a_message_of_its_own() -> None:
    assert heard((b"\xff\x00",)) == [Input(Channel.STDIN, b"", ends=True)]
    assert heard((b"\xff\x01",), (b"\xff",)) == []


def test_channels_that_are_not_the_clients_are_passed_over() -> None:
    assert heard((b"\x01x",), (b"\x03x",), (b"\x09x",)) == []
    assert heard((b"\x00x",), wanted=frozenset({Channel.STDOUT})) == []


@pytest.mark.parametrize(
    ("wanted", "first"),
    [
        ({Channel.STDIN, Channel.STDERR, Channel.STDOUT}, b"\x01"),
        ({Channel.STDERR, Channel.ERROR}, b"\x02"),
        ({Channel.STDIN, Channel.ERROR}, b"\x03"),
    ],
)
def test_an_empty_message_says_that_the_channels_are_there(wanted: set[Channel], first: bytes) -> None:
    socket: Any = Socket()

    async def story() -> None:
        made = SocketChannels(socket, wanted)
        await made.opened()
        await made.send(Channel.STDOUT, b"out")
        await made.finish(b"{}")

    asyncio.run(story())
    assert socket.sent == [first, b"\x01out", b"\x03{}"]
