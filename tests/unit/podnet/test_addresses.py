"""Which addresses ADD gives, and when it gives none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from tandem.base.clock import FixedClock
from tandem.base.problems import DriverError
from tandem.ipam.pool import Pool
from tandem.ipam.store import MemoryJournal
from tandem.podnet.request import VerbError
from tandem.podnet.verbs import Aside, Verbs
from unit.podnet.playground import SETTINGS, Playground, request


def run(play: Callable[[Playground], Awaitable[None]]) -> None:
    async def main() -> None:
        await play(Playground())

    asyncio.run(main())


def test_a_pod_has_an_address_of_each_family_of_the_node() -> None:
    async def play(ground: Playground) -> None:
        ground.node.addresses = Pool.of("10.244.0.0/29", "fd00::/125")
        await ground.add()
        assert ground.journal.all()[0].addresses == ("10.244.0.2", "fd00::2")

    run(play)


def test_where_one_family_is_full_the_other_is_not_taken_either() -> None:
    async def play(ground: Playground) -> None:
        ground.node.addresses = Pool.of("10.244.0.0/29", "fd00::/126")
        for n in range(2):
            ground.links.add_netns(f"/ns/{n}")
            await ground.add(f"c{n}", netns=f"/ns/{n}")
        with pytest.raises(VerbError, match=r"fd00::/126 is full: all 2"):
            await ground.verbs.run(request("ADD", "c9"))
        assert len(ground.journal.taken()) == 4

    run(play)


def test_an_address_given_up_is_not_given_again_before_it_has_cooled_down() -> None:
    async def play(ground: Playground) -> None:
        clock = FixedClock(1000.0)
        ground.journal = MemoryJournal(clock)
        ground.node.addresses = Pool.of("10.244.0.5/32")
        settings = replace(SETTINGS, cool_down=30)
        ground.verbs = Verbs(
            ground.journal, ground.links, ground.foreign, node=ground.node, settings=settings, aside=Aside(clock=clock)
        )
        await ground.add()
        await ground.delete()
        clock.advance(18.5)
        with pytest.raises(VerbError, match="1 cool down, the next is free in 12 s") as caught:
            await ground.verbs.run(request("ADD"))
        assert caught.value.code == 101
        assert await ground.code("STATUS") == 50
        clock.advance(11.5)
        await ground.add()

    run(play)


def test_the_address_of_an_add_that_failed_does_not_cool_down() -> None:
    async def play(ground: Playground) -> None:
        ground.node.addresses = Pool.of("10.244.0.5/32")
        settings = replace(SETTINGS, cool_down=30)
        ground.verbs = Verbs(ground.journal, ground.links, ground.foreign, node=ground.node, settings=settings)
        ground.node.failures["attached"] = DriverError("busy")
        assert await ground.code("ADD") == 11
        await ground.add()

    run(play)
