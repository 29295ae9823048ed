"""The newest value, not a queue."""

from __future__ import annotations

import asyncio

from tandem.base.cell import Cell, any_newer


def test_an_equal_value_wakes_nobody() -> None:
    cell = Cell((1, 2))
    assert not cell.put((1, 2))
    assert cell.version == 0
    assert cell.put((1, 3))
    assert (cell.version, cell.value) == (1, (1, 3))


def test_minus_one_reads_at_once() -> None:
    assert asyncio.run(Cell("a").after(-1)) == (0, "a")


def test_a_slow_reader_skips_what_was_superseded() -> None:
    async def scene() -> list[tuple[int, int]]:
        cell = Cell(0)
        for value in (1, 2, 3):
            cell.put(value)
        first = await cell.after(0)
        waiting = asyncio.create_task(cell.after(first[0]))  # noqa: TID251 - the reader that waits
        await asyncio.sleep(0)
        assert not waiting.done()
        cell.put(4)
        return [first, await asyncio.wait_for(waiting, 5)]

    assert asyncio.run(scene()) == [(3, 3), (4, 4)]


def test_every_waiting_reader_is_woken() -> None:
    async def scene() -> list[tuple[int, int]]:
        cell = Cell(0)
        asyncio.get_running_loop().call_soon(cell.put, 7)
        return list(await asyncio.wait_for(asyncio.gather(cell.after(0), cell.after(0)), 5))

    assert asyncio.run(scene()) == [(1, 7), (1, 7)]


def test_one_newer_cell_ends_the_wait_for_several() -> None:
    async def scene() -> None:
        one, other = Cell(0), Cell("")
        asyncio.get_running_loop().call_soon(other.put, "new")
        await asyncio.wait_for(any_newer((one, 0), (other, 0)), 5)
        assert (one.version, other.value) == (0, "new")

    asyncio.run(scene())


def test_the_wait_for_several_ends_after_its_time() -> None:
    async def scene() -> None:
        await asyncio.wait_for(any_newer((Cell(0), 0), (Cell(0), 0), seconds=0.001), 5)

    asyncio.run(scene())
