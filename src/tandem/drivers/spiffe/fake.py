"""A Workload API whose messages are given: bundles, or the error in which the stream ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tandem.base.problems import DriverError
from tandem.drivers.spiffe.port import Bundles


class FakeWorkloadApi:
    """`tell` puts in what the reader of any socket gets next; `asked`: its socket, each time a stream began."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._news: asyncio.Queue[Bundles | DriverError] = asyncio.Queue()

    def tell(self, news: Bundles | DriverError) -> None:
        """One more message, or the end of a stream."""
        self._news.put_nowait(news)

    async def bundles(self, socket: str) -> AsyncIterator[Bundles]:
        """As the real one."""
        self.asked.append(socket)
        while True:
            news = await self._news.get()
            if isinstance(news, DriverError):
                raise news
            yield news
