"""One after the other for a container, side by side for several."""

from __future__ import annotations

import asyncio

import pytest

from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.podnet.turns import Turns


def order(*containers: str) -> list[str]:
    """What each of several tasks did, begun in this order, each letting the others run in the middle."""
    done: list[str] = []
    turns = Turns()

    async def work(name: str) -> None:
        async with turns.of(ContainerId(name)):
            done.append(f"{name} begins")
            await asyncio.sleep(0)
            done.append(f"{name} ends")

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as tasks:
            for name in containers:
                tasks.create_task(work(name))
        assert len(turns) == 0, "locks are forgotten"

    asyncio.run(all_of_them())
    return done


def test_steps_of_one_container_do_not_overlap() -> None:
    assert order("a", "a", "a") == ["a begins", "a ends"] * 3


def test_steps_of_different_containers_do() -> None:
    assert order("a", "b") == ["a begins", "b begins", "a ends", "b ends"]


def test_a_step_that_fails_lets_the_next_one_in() -> None:
    async def fail(turns: Turns) -> None:
        async with turns.of(ContainerId("a")):
            raise DriverError("refused")

    async def scene() -> None:
        turns = Turns()
        with pytest.raises(DriverError):
            await fail(turns)
        async with asyncio.timeout(5), turns.of(ContainerId("a")):
            assert len(turns) == 1

    asyncio.run(scene())


def test_a_container_is_busy_for_as_long_as_somebody_has_or_awaits_its_turn() -> None:
    async def main() -> list[bool]:
        turns, one, seen = Turns(), ContainerId("a"), []
        async with turns.of(one):
            seen.append(turns.is_busy(one))
        return [*seen, turns.is_busy(one)]

    assert asyncio.run(main()) == [True, False]
