"""A loop of the agent over views that the test puts, one step after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from tandem.base.cell import Cell
from tandem.ir.node import NodeView
from tandem.runtime.views import Numbered, Views


class Looping:
    """Views, and `play`; `runner` keeps one event loop for all plays of a test."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.views: Views = Cell(None)

    def put(self, seen: NodeView) -> None:
        """The newest view."""
        self.views.put(Numbered(number=self.views.version + 1, view=seen))

    def run(self, loop: Callable[[Views], Awaitable[None]], steps: tuple[Callable[[], object], ...]) -> None:
        """Each step is taken when what the one before looked for holds; false: not yet."""

        async def main() -> None:
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
                running = tasks.create_task(_whole(loop(self.views)))
                for step in steps:
                    while step() is False:  # noqa: ASYNC110 - the loop has no end to wait for
                        await asyncio.sleep(0.005)
                running.cancel()

        self._runner.run(main())


S = TypeVar("S")


def beside(
    scene_of: Callable[[], S], loop_of: Callable[[S], Coroutine[Any, Any, None]], story: Callable[[S], Awaitable[None]]
) -> None:
    """A story about a scene, while a loop of it goes on."""

    async def main() -> None:
        scene = scene_of()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(loop_of(scene))
            await story(scene)
            running.cancel()

    asyncio.run(main())


async def until(holds: Callable[[], object]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - nobody would tell
            await asyncio.sleep(0.001)


async def _whole(work: Awaitable[None]) -> None:
    await work
