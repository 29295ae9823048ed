"""Questions that are asked when they are due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tandem.base.clock import SystemClock
from tandem.runtime.due import Due, ask_when_due
from unit.runtime.looping import beside

CLOCK = SystemClock()


class Asked:
    def __init__(self, *names: str) -> None:
        self.known = {name: Due() for name in names}
        self.wake = asyncio.Event()
        self.asked: list[str] = []
        self.held = asyncio.Event()
        self.held.set()

    async def ask(self, name: str, state: Due) -> None:
        self.asked.append(name)
        state.due = CLOCK.monotonic() + 3600
        await self.held.wait()

    async def until(self, *wanted: str) -> None:
        async with asyncio.timeout(10):
            while sorted(self.asked) != sorted(wanted):  # noqa: ASYNC110 - what is waited for is the loop's
                await asyncio.sleep(0.001)


def play(asked: Asked, story: Callable[[Asked], Awaitable[None]]) -> None:
    beside(
        lambda: asked,
        lambda _: ask_when_due(lambda: asked.known, asked.ask, asked.wake, CLOCK, longest=3600),
        story,
    )


def test_each_is_asked_at_once_and_again_when_it_is_due() -> None:
    asked = Asked("a", "b")

    async def story(_: Asked) -> None:
        await asked.until("a", "b")
        asked.known["a"].due = 0.0
        asked.wake.set()
        await asked.until("a", "a", "b")

    play(asked, story)


def test_one_that_is_being_asked_is_not_asked_beside_that_and_what_comes_is() -> None:
    asked = Asked("a")
    asked.held.clear()

    async def story(_: Asked) -> None:
        await asked.until("a")
        asked.known["a"].due = 0.0
        asked.known["b"] = Due()
        asked.wake.set()
        await asked.until("a", "b")
        asked.held.set()
        await asked.until("a", "a", "b")

    play(asked, story)
