"""A DEL behind another plugin: what judges the pod stays for as long as its link, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.foreign.fake import Space
from tandem.ipam.journal import Phase
from tandem.podnet import parting
from tandem.podnet.leaving import Leaving
from unit.podnet.playground import KEY, NETNS, Playground, behind_another_plugin
from unit.podnet.test_chained import CHAINED, is_clean
from unit.podnet.test_previous import RESULT

Play = Callable[[Playground], Awaitable[None]]


def run(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parting, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(parting, "RETRY_SECONDS", 0.001)

    async def main() -> None:
        ground = Playground()
        behind_another_plugin(ground)
        ground.verbs.undoing.leaving = Leaving(ground.journal, ground.links, ground.node)
        async with asyncio.TaskGroup() as tasks:
            background = tasks.create_task(ground.verbs.undoing.run())
            await ground.add(config=CHAINED)
            await play(ground)
            background.cancel()

    asyncio.run(main())


async def ended(ground: Playground) -> None:
    """Returns once nothing is left."""
    while not is_clean(ground):  # noqa: ASYNC110 - the journal tells nobody
        await asyncio.sleep(0.001)


async def looked(ground: Playground, times: int) -> None:
    """Returns once the link has been looked for so often."""
    while ground.foreign.calls.count("look") < times:  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def test_del_answers_and_everything_inside_stays_until_the_link_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(ground: Playground) -> None:
        await ground.delete(config=CHAINED)
        await looked(ground, 5)
        left = ground.journal.get(KEY)
        assert left is not None
        assert left.phase is Phase.DELETING
        assert ground.foreign.spaces[NETNS].prepared
        assert not ground.node.in_force
        del ground.foreign.spaces[NETNS].interfaces["eth0"]
        await ended(ground)

    run(play, monkeypatch)


def test_a_namespace_that_is_gone_has_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(ground: Playground) -> None:
        await ground.delete(config=CHAINED)
        await looked(ground, 5)
        del ground.foreign.spaces["/pins/c1"]
        while ground.journal.all():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert not ground.links.pins

    run(play, monkeypatch)


def test_a_second_del_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(ground: Playground) -> None:
        for _ in range(2):
            await ground.delete(config=CHAINED)
        assert is_clean(ground)

    run(play, monkeypatch)


def test_another_add_of_the_container_ends_it_first_and_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(ground: Playground) -> None:
        await ground.delete(config=CHAINED)
        await ground.add(config=CHAINED)
        await looked(ground, ground.foreign.calls.count("look"))
        await asyncio.sleep(0.01)
        (kept,) = ground.journal.all()
        assert kept.phase is Phase.READY
        assert ground.foreign.spaces[NETNS].prepared

    run(play, monkeypatch)


def test_an_address_is_free_for_another_container_although_the_link_is_there_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play(ground: Playground) -> None:
        await ground.delete(config=CHAINED)
        ground.foreign.spaces["/ns/2"] = Space(interfaces={"eth0": frozenset({"10.88.0.2"})})
        ground.links.add_netns("/ns/2")
        ground.foreign.spaces["/pins/c2"] = ground.foreign.spaces["/ns/2"]
        previous = {**RESULT, "interfaces": [{**i, "sandbox": "/ns/2"} for i in RESULT["interfaces"]]}
        await ground.add("c2", netns="/ns/2", config=CHAINED | {"prevResult": previous})
        assert [a.container_id for a in ground.journal.all()] == ["c2"]

    run(play, monkeypatch)


def test_a_link_that_stays_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(parting, "LINK_SECONDS", 0.01)

    async def play(ground: Playground) -> None:
        await ground.delete(config=CHAINED)
        await ended(ground)
        assert "container c1: eth0 is still there, and is judged no more" in caplog.text

    run(play, monkeypatch)


def test_what_the_world_refuses_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(ground: Playground) -> None:
        await ground.delete(config=CHAINED)
        ground.foreign.fail_next(DriverError("busy"), "restore")
        del ground.foreign.spaces[NETNS].interfaces["eth0"]
        await ended(ground)
        assert ground.foreign.calls.count("restore") == 2

    run(play, monkeypatch)


def test_an_agent_that_comes_after_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(ground: Playground) -> None:
        await ground.delete(config=CHAINED)
        ground.restart()
        assert await ground.verbs.recover() == ()
        assert is_clean(ground)

    run(play, monkeypatch)
