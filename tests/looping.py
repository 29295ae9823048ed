"""A loop of the product that runs for as long as a test has steps for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Step = tuple[Callable[[], object], Callable[[], object]]
"""Something to do, and what holds some time after it."""


def play(loop: Callable[[], Coroutine[Any, Any, None]], *steps: Step) -> None:
    """The steps one after the other while the loop runs; TimeoutError if one of them never holds."""

    async def scene() -> None:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(loop())
            for does, holds in steps:
                does()
                while not holds():  # noqa: ASYNC110 - what holds is told by no event
                    await asyncio.sleep(0.005)
            running.cancel()

    asyncio.run(scene())
