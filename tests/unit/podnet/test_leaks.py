"""What is taken for leaked, and when it is taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from tandem.base.clock import FixedClock
from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.ipam.journal import Attachment
from tandem.podnet.leaks import Leaks, Witnesses
from unit.podnet.playground import Playground

C1, C2 = ContainerId("c1"), ContainerId("c2")


class Scene:
    """A node with one pod, and what the kernel and control are made to say of it."""

    def __init__(self) -> None:
        self.ground = Playground()
        self.clock = FixedClock(1000.0)
        self.gone: set[ContainerId] = set()
        self.pods: set[str] = set()
        self.looks = 0
        witnesses = Witnesses(abandoned=self.abandoned, has_pod=lambda uid: uid in self.pods)
        self.leaks = Leaks(self.ground.journal, self.ground.verbs, witnesses, self.clock, grace=60.0)

    async def abandoned(self, attachments: tuple[Attachment, ...]) -> frozenset[ContainerId]:
        self.looks += 1
        return frozenset(self.gone & {a.container_id for a in attachments})

    @property
    def containers(self) -> list[str]:
        return [a.container_id for a in self.ground.journal.all()]


def run(play: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        scene = Scene()
        await scene.ground.add()
        await play(scene)

    asyncio.run(main())


def test_a_leak_is_taken_away_at_the_second_observation_after_the_grace_period() -> None:
    async def play(scene: Scene) -> None:
        scene.gone = {C1}
        assert await scene.leaks.observe() == ()
        scene.clock.advance(59.0)
        await scene.leaks.observe()
        assert scene.containers == ["c1"]
        scene.clock.advance(1.0)
        await scene.leaks.observe()
        assert scene.ground.is_clean()

    run(play)


def test_one_observation_is_never_enough_however_late_it_comes() -> None:
    async def play(scene: Scene) -> None:
        await scene.leaks.observe()
        scene.clock.advance(1e6)
        scene.gone = {C1}
        await scene.leaks.observe()
        assert scene.containers == ["c1"]

    run(play)


def test_a_container_that_shows_life_in_between_has_the_whole_grace_period_again() -> None:
    async def play(scene: Scene) -> None:
        for gone in ({C1}, set[ContainerId](), {C1}):
            scene.gone = gone
            await scene.leaks.observe()
            scene.clock.advance(59.0)
        await scene.leaks.observe()
        assert scene.containers == ["c1"]

    run(play)


def test_a_container_that_was_added_again_under_the_same_id_is_another() -> None:
    async def play(scene: Scene) -> None:
        scene.gone = {C1}
        await scene.leaks.observe()
        await scene.ground.delete()
        await scene.ground.add()
        scene.clock.advance(60.0)
        await scene.leaks.observe()
        assert scene.containers == ["c1"]

    run(play)


def test_a_container_that_comes_to_life_at_the_last_moment_is_left_alone() -> None:
    async def play(scene: Scene) -> None:
        scene.gone = {C1}
        await scene.leaks.observe()
        scene.clock.advance(60.0)
        looked = scene.abandoned

        async def once(attachments: tuple[Attachment, ...]) -> frozenset[ContainerId]:
            found = await looked(attachments)
            scene.gone = set()
            return found

        scene.leaks._witnesses = Witnesses(abandoned=once, has_pod=lambda _: False)
        await scene.leaks.observe()
        assert scene.containers == ["c1"]
        assert scene.looks == 3

    run(play)


def test_a_container_whose_pod_control_knows_is_no_leak_unless_the_pod_has_a_later_one() -> None:
    async def play(scene: Scene) -> None:
        scene.pods, scene.gone = {"uid-1"}, {C1}
        assert await scene.leaks.leaked() == frozenset()
        scene.ground.links.add_netns("/ns/2")
        await scene.ground.add("c2", netns="/ns/2")
        assert await scene.leaks.leaked() == {C1}

    run(play)


def test_what_a_verb_is_busy_with_is_no_leak() -> None:
    async def play(scene: Scene) -> None:
        scene.gone = {C1}
        scene.ground.node.failures["detached"] = DriverError("busy")
        with pytest.raises(Exception, match="busy"):
            await scene.ground.delete()
        assert await scene.leaks.leaked() == frozenset()
        assert not await scene.leaks.is_live(C1)

    run(play)


def test_all_interfaces_of_a_container_go_together() -> None:
    async def play(scene: Scene) -> None:
        (first,) = scene.ground.journal.all()
        other = msgspec.structs.replace(first, ifname="eth1", addresses=("10.244.0.6",), host_ifname="td2")
        scene.ground.journal.add(other)
        scene.gone = {C1}
        await scene.leaks.observe()
        scene.clock.advance(60.0)
        await scene.leaks.observe()
        assert not scene.ground.journal.taken()

    run(play)


def test_what_could_not_be_taken_away_is_told_and_tried_again() -> None:
    async def play(scene: Scene) -> None:
        scene.gone = {C1}
        await scene.leaks.observe()
        scene.clock.advance(60.0)
        for step in ("cut", "remove"):
            scene.ground.links.fail_next(DriverError("busy"), step)
        assert await scene.leaks.observe() == ("shop/web (c1): busy",)
        scene.clock.advance(1.0)
        assert scene.containers == ["c1"]

    run(play)
