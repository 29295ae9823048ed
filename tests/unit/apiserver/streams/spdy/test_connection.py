"""A session over bytes: what it has to say is sent at once."""

from __future__ import annotations

import asyncio
import struct

from spdyclient import Client, Pipe, control
from tandem.apiserver.streams.spdy.connection import Connection
from tandem.apiserver.streams.spdy.session import CANCEL, Opened


def test_events_come_until_the_client_goes_and_answers_leave() -> None:
    pipe = Pipe(Client().opens(1, {}), control(6, struct.pack(">I", 1)))

    async def story() -> None:
        connection = Connection(pipe)
        assert [event async for event in connection.events()] == [Opened(1, {}, ends=False)]
        await connection.reply(1)
        await connection.send(1, b"hi")
        await connection.reset(1, CANCEL)
        await connection.ping()
        await connection.close()

    asyncio.run(story())
    assert [frame.kind for frame in pipe.frames] == [6, 2, 0, 3, 6, 7]
