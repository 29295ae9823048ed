"""Questions that are asked again when they are due, each by a task of its own: for loops that keep answers fresh."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from tandem.base.clock import Clock

SHORTEST: Final = 0.01
"""Seconds between two looks at what is due, at least."""


@dataclass(slots=True)
class Due:
    """When something is to be asked (monotonic), and whether it is being asked."""

    due: float = 0.0
    asking: bool = False


D = TypeVar("D", bound=Due)


async def ask_when_due(
    known: Callable[[], Mapping[str, D]],
    ask: Callable[[str, D], Awaitable[None]],
    wake: asyncio.Event,
    clock: Clock,
    *,
    longest: float,
) -> None:
    """Ask for each of what is known whenever it is due, until cancelled; `ask` says when it is due again.

    `wake` is set by whoever changes what is known or due, and after each answer; without that a look is taken after
    `longest` seconds at the latest.
    """

    async def one(name: str, state: D) -> None:
        try:
            await ask(name, state)
        finally:
            state.asking = False
            wake.set()

    async with asyncio.TaskGroup() as tasks:
        while True:
            wake.clear()
            now = clock.monotonic()
            for name, state in known().items():
                if state.due <= now and not state.asking:
                    state.asking = True
                    tasks.create_task(one(name, state))
            next_ = min((s.due for s in known().values() if not s.asking), default=now + longest)
            try:
                async with asyncio.timeout(max(next_ - now, SHORTEST)):
                    await wake.wait()
            except TimeoutError:
                continue
