"""Which addresses ADD gives, and when it gives none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgspec
import pytest

from tandem.base.clock import FixedClock
from tandem.base.problems import DriverError
from tandem.ipam.journal import MemoryJournal
from tandem.ipam.pool import Pool
from tandem.podnet.request import VerbError
from tandem.podnet.verbs import Aside, Verbs
from unit.podnet.playground import CONFIG, SETTINGS, Killed, Playground, fail, kill_at, local_pod, request, revive


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


@pytest.mark.parametrize("how", ["refused when it opens", "told to others", "killed after it opened", "cut short"])
def test_the_address_of_an_add_that_failed_cools_down_once_others_may_know_it(how: str) -> None:
    async def play(ground: Playground) -> None:
        ground.node.addresses = Pool.of("10.244.0.5/32")
        settings = replace(SETTINGS, cool_down=30)
        ground.verbs = Verbs(ground.journal, ground.links, ground.foreign, node=ground.node, settings=settings)
        match how:
            case "told to others":
                ground.node.has_policies = True
                fail(ground, "create")
            case "refused when it opens":
                fail(ground, "open")
            case _:
                kill_at(ground, "open", before=how == "cut short")
        try:
            await ground.add()
        except (VerbError, Killed, BaseExceptionGroup):
            if "open" not in vars(ground.links):
                revived = ground.verbs
            else:
                revive(ground, "open")
                ground.node.addresses = Pool.of("10.244.0.5/32")
                revived = Verbs(ground.journal, ground.links, ground.foreign, node=ground.node, settings=settings)
                await revived.recover()
        ground.verbs = revived
        assert ground.is_clean()
        with pytest.raises(VerbError, match="1 cool down"):
            await ground.add("c2")

    run(play)


def test_while_nobody_knows_what_was_in_use_no_address_is_given_nor_by_name() -> None:
    clock = FixedClock(1000.0)

    async def play(ground: Playground) -> None:
        ground.journal = MemoryJournal(clock)
        ground.journal.rest()
        clock.advance(12)
        settings, aside = replace(SETTINGS, cool_down=30), Aside(clock=clock)
        ground.verbs = Verbs(
            ground.journal, ground.links, ground.foreign, node=ground.node, settings=settings, aside=aside
        )
        assert await ground.code("STATUS") == 50
        with pytest.raises(VerbError, match="begins anew: all cool down, for 18 s more"):
            await ground.add(config=CONFIG | {"runtimeConfig": {"ips": ["10.244.0.3"]}})
        clock.advance(18)
        await ground.add()

    run(play)


def test_an_add_that_finds_nothing_waits_for_more_and_takes_it() -> None:
    async def play(ground: Playground) -> None:
        ground.node.addresses = Pool.of("10.244.0.5/32")
        await ground.add("c1")
        calls = 0

        def supply() -> bool:
            nonlocal calls
            calls += 1
            if calls == 2:
                ground.node.addresses = Pool.of("10.244.0.5/32", "10.244.9.0/29")
            return True

        ground.node.supply = supply
        ground.links.add_netns("/ns/2")
        await ground.add("c2", netns="/ns/2")
        assert calls == 2
        assert ground.journal.all()[1].addresses == ("10.244.9.2",)

    run(play)


def test_an_add_that_finds_an_address_asks_nobody() -> None:
    async def play(ground: Playground) -> None:
        ground.node.supply = lambda: pytest.fail("asked")
        await ground.add()

    run(play)


def test_a_pod_gets_the_address_that_it_asks_for_once_its_node_has_it() -> None:
    async def play(ground: Playground) -> None:
        ask(ground, "10.244.7.7")

        def supply() -> bool:
            ground.node.addresses = Pool.of("10.244.0.0/29", "10.244.7.7/32")
            return True

        ground.node.supply = supply
        await ground.add()
        assert ground.journal.all()[0].addresses == ("10.244.7.7",)

    run(play)


def test_the_runtimes_word_counts_before_the_pods() -> None:
    async def play(ground: Playground) -> None:
        ask(ground, "10.244.0.5")
        await ground.add(config=CONFIG | {"runtimeConfig": {"ips": ["10.244.0.4"]}})
        assert ground.journal.all()[0].addresses == ("10.244.0.4",)

    run(play)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("10.244.7.7",), "outside 10.244.0.0/29"),
        (("ten",), "an IP address, not 'ten'"),
        (("10.244.0.2", "10.244.0.3"), "a pod has one address of a family"),
        (("fd00::2",), "no IPv6 addresses to give"),
    ],
)
def test_a_pod_that_asks_for_what_cannot_be_had_is_refused(asked: tuple[str, ...], words: str) -> None:
    async def play(ground: Playground) -> None:
        ask(ground, *asked)
        with pytest.raises(VerbError, match=words) as caught:
            await ground.verbs.run(request("ADD"))
        assert caught.value.code == 104
        assert not ground.journal.all()

    run(play)


def ask(ground: Playground, *addresses: str) -> None:
    ground.node.pods["uid-1"] = msgspec.structs.replace(local_pod(), addresses=addresses)
