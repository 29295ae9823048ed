"""Forwarded connections: pairs of streams, each dialled once both are there."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from echoing import echoing
from spdyclient import Client, Frame, Pipe, control, data
from tandem.apiserver.streams.spdy.connection import Connection
from tandem.apiserver.streams.spdy.portforward import Forwarding

PORT = "8080"


class Open(Pipe):
    """A client that stays until what it waits for has come."""

    def __init__(self, *pieces: bytes, until: int) -> None:
        super().__init__(*pieces)
        self._until = until
        self._bell = asyncio.Event()

    async def read(self) -> bytes:
        if not self._pieces:
            while sum(f.ends or f.kind == 3 for f in self.frames) < self._until:
                self._bell.clear()
                await self._bell.wait()
        return await super().read()

    async def write(self, data: bytes) -> None:
        await super().write(data)
        self._bell.set()


def forwarded(pipe: Pipe) -> list[Frame]:
    async def story() -> None:
        async with echoing() as dial, asyncio.TaskGroup() as tasks:
            await Forwarding(Connection(pipe), lambda port: partial(dial, port), tasks).run()

    asyncio.run(asyncio.wait_for(story(), 20))
    return pipe.frames


def pair(client: Client, number: int, request: str, port: str = PORT) -> tuple[bytes, bytes]:
    both = {"port": port, "requestid": request}
    error = client.opens(number, {"streamtype": "error", **both})
    return error, client.opens(number + 2, {"streamtype": "data", **both})


def of(found: list[Frame], stream: int) -> tuple[bytes, bool]:
    """What came on a stream, and whether it ended."""
    mine = [f for f in found if f.kind == 0 and f.stream == stream]
    return b"".join(f.body for f in mine), mine[-1].ends


def test_two_connections_of_one_client_are_apart() -> None:
    client = Client()
    opened = [*pair(client, 1, "0"), *pair(client, 5, "1")]
    sent = [data(3, b"one"), data(7, b"two"), data(7, b"", ends=True), data(3, b"!", ends=True)]
    found = forwarded(Open(*opened, *sent, until=4))
    assert (of(found, 3), of(found, 1)) == ((b"one!", True), (b"", True))
    assert (of(found, 7), of(found, 5)) == ((b"two", True), (b"", True))


def test_data_may_come_before_the_pair_is_whole() -> None:
    client = Client()
    both = {"port": PORT, "requestid": "0"}
    first = client.opens(1, {"streamtype": "data", **both})
    pieces = (first, data(1, b"early", ends=True), client.opens(3, {"streamtype": "error", **both}))
    assert of(forwarded(Open(*pieces, until=2)), 1) == (b"early", True)


def test_a_port_that_nobody_listens_on_is_told_on_the_error_stream() -> None:
    found = forwarded(Open(*pair(Client(), 1, "0", port="1"), until=2))
    assert (of(found, 1), of(found, 3)) == ((b"refused", True), (b"", True))


@pytest.mark.parametrize(
    "headers",
    [
        {"streamtype": "stdin", "port": PORT, "requestid": "0"},
        {"streamtype": "data", "port": "99999", "requestid": "0"},
        {"streamtype": "data", "port": "x", "requestid": "0"},
        {"streamtype": "data", "port": PORT},
    ],
)
def test_a_stream_without_its_headers_is_reset(headers: dict[str, str]) -> None:
    assert [(f.kind, f.stream) for f in forwarded(Open(Client().opens(1, headers), until=1))] == [(3, 1)]


def test_both_streams_of_a_pair_are_for_one_port() -> None:
    client = Client()
    first = client.opens(1, {"streamtype": "error", "port": PORT, "requestid": "0"})
    found = forwarded(Open(first, client.opens(3, {"streamtype": "data", "port": "81", "requestid": "0"}), until=1))
    assert [(f.kind, f.stream) for f in found] == [(2, 1), (3, 3)]


def test_a_client_that_goes_or_resets_ends_its_connections() -> None:
    client = Client()
    gone = Pipe(*pair(client, 1, "0"), *pair(client, 5, "1"), control(3, b"\0\0\0\3\0\0\0\5"))
    assert not any(f.ends for f in forwarded(gone))
