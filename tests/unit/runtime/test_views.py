"""Waiting for the newest view."""

from __future__ import annotations

import asyncio

from meshbuild import attached, view
from tandem.base.cell import Cell
from tandem.runtime.views import Newest, Numbered, Views, newest_of

ONE = Numbered(number=1, view=view(attached("a", "10.244.0.2")))
TWO = Numbered(number=2, view=view())


def test_the_newest_view_is_returned_and_what_was_superseded_is_skipped() -> None:
    async def main() -> None:
        views: Views = Cell(None)
        views.put(ONE)
        views.put(TWO)
        assert await newest_of(views, 0, retry=None) == (2, TWO)

    asyncio.run(main())


def test_the_kernel_has_a_view_a_turn_before_the_others() -> None:
    async def main() -> None:
        newest, order = Newest(), list[str]()

        async def loop(name: str, views: Views) -> None:
            await newest_of(views, 0, retry=None)
            order.append(name)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(loop("proxy", newest.awaited))
            tasks.create_task(loop("kernel", newest.foremost))
            await asyncio.sleep(0)
            await newest.put(ONE)
        assert order == ["kernel", "proxy"]

    asyncio.run(main())


def test_whom_nobody_waits_for_has_the_newest_view_a_moment_later() -> None:
    async def main() -> None:
        newest = Newest()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(newest.run())
            await newest.put(ONE)
            assert (newest.awaited.value, newest.views.value) == (ONE, None)
            await newest.put(TWO)
            assert await newest.views.after(0) == (1, TWO)
            await newest.put(ONE)
            assert await newest.views.after(1) == (2, ONE)
            running.cancel()

    asyncio.run(main())


def test_without_a_view_there_is_nothing_to_return_whatever_else_is_new() -> None:
    async def main() -> None:
        views: Views = Cell(None)
        beside: Cell[int] = Cell(0)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(newest_of(views, 0, (beside, 0), retry=None))
            beside.put(1)
            await asyncio.sleep(0.01)
            assert not waiting.done()
            views.put(ONE)
            assert await waiting == (1, ONE)

    asyncio.run(main())


def test_something_beside_and_the_time_to_try_again_give_the_view_that_was_seen_before() -> None:
    async def main() -> None:
        views: Views = Cell(ONE)
        beside: Cell[int] = Cell(0)
        beside.put(1)
        assert await newest_of(views, 0, (beside, 0), retry=None) == (0, ONE)
        assert await newest_of(views, 0, (beside, 1), retry=0.01) == (0, ONE)

    asyncio.run(main())
