"""What others change inside pods: told with the pod, and made anew by the loop whose table it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tandem.base.clock import FixedClock
from tandem.base.problems import DriverError
from tandem.drivers.nft.pods_watch import FakePodsWatch, PodChange
from tandem.drivers.nft.watch import Change
from tandem.runtime import pod_drift
from tandem.runtime.pod_drift import PodDrift, together
from tandem.state.ownership import POLICY_TABLE, TABLE
from unit.runtime.looping import beside

CHANGE = Change(things=("rule of chain mesh-out removed",), process="nft", pid=7)
NAMES = {"/pins/a": "shop/a"}


def change(netns: str = "/pins/a", table: str = TABLE) -> PodChange:
    return PodChange(netns=netns, table=table, change=CHANGE)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_drift, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(pod_drift, "RETRY_SECONDS", 0.001)


class Scene:
    def __init__(self) -> None:
        self.watch = FakePodsWatch()
        self.drift = PodDrift(self.watch, FixedClock(), lambda netns: NAMES.get(netns, ""))

    async def happen(self, *several: PodChange) -> None:
        number = self.drift.found.value
        for one in several:
            self.watch.happen(one)
        async with asyncio.timeout(10):
            while self.drift.found.value < number + len(several):
                await self.drift.found.after(self.drift.found.version)

    async def repair(self, netns: str, table: str) -> None:
        await self.drift.own(netns, table, lambda: None)


def play(story: Callable[[Scene], Awaitable[None]]) -> None:
    beside(Scene, lambda scene: scene.drift.run(), story)


def test_each_loop_is_told_of_its_own_table_once() -> None:
    async def story(scene: Scene) -> None:
        await scene.happen(change(), change(), change("/pins/b", POLICY_TABLE))
        assert scene.drift.take(TABLE) == {"/pins/a"}
        assert scene.drift.take(TABLE) == frozenset()
        assert scene.drift.take(POLICY_TABLE) == {"/pins/b"}

    play(story)


def test_a_change_is_a_problem_of_the_node_until_the_table_is_made_anew() -> None:
    async def story(scene: Scene) -> None:
        await scene.happen(change(), change())
        sentence = "nft (process 7) changed the rules inside pod shop/a, not repaired yet: "
        assert scene.drift.problems() == (sentence + "rule of chain mesh-out removed",)
        assert scene.drift.take(TABLE)
        assert scene.drift.problems()
        await scene.repair("/pins/a", POLICY_TABLE)
        assert scene.drift.problems()
        await scene.repair("/pins/a", TABLE)
        assert not scene.drift.problems()
        assert (scene.drift.status()["found"], scene.drift.status()["repaired"]) == (2, 2)
        (*_, told) = scene.drift.status()["newest"]
        assert (told["pod"], told["by"], told["pid"], told["what"]) == ("shop/a", "nft", 7, list(CHANGE.things))

    play(story)


def test_what_comes_while_a_table_is_made_anew_is_repaired_after_it() -> None:
    async def story(scene: Scene) -> None:
        await scene.happen(change())
        assert scene.drift.take(TABLE)
        await scene.happen(change())
        await scene.repair("/pins/a", TABLE)
        assert scene.drift.status()["repaired"] == 1
        assert scene.drift.problems()
        assert scene.drift.take(TABLE) == {"/pins/a"}

    play(story)


def test_a_repair_that_the_kernel_refuses_is_none() -> None:
    async def story(scene: Scene) -> None:
        await scene.happen(change())
        assert scene.drift.take(TABLE)

        def refused() -> None:
            raise DriverError("no room")

        with pytest.raises(DriverError, match="no room"):
            await scene.drift.own("/pins/a", TABLE, refused)
        assert scene.drift.problems()

    play(story)


def test_a_pod_that_left_is_nobodys_problem() -> None:
    async def story(scene: Scene) -> None:
        await scene.repair("/pins/a", TABLE)
        await scene.happen(change(), change(table=POLICY_TABLE))
        assert scene.drift.take(TABLE)
        scene.drift.leave("/pins/a")
        assert not scene.drift.problems()
        assert scene.drift.take(POLICY_TABLE) == frozenset()
        assert not scene.watch.followed

    play(story)


def test_a_kernel_that_does_not_tell_is_a_problem_for_as_long_as_it_does_not() -> None:
    async def story(scene: Scene) -> None:
        scene.watch.happen(DriverError("deaf"))
        async with asyncio.timeout(10):
            while not scene.drift.problems():  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert scene.drift.problems() == ("drift in pods is not seen: deaf",)
        await scene.happen(change())
        assert not [text for text in scene.drift.problems() if "deaf" in text]

    play(story)


def test_node_and_pods_are_told_of_as_one() -> None:
    def status(found: int, *times: str) -> dict[str, Any]:
        return {"found": found, "repaired": 1, "newest": [{"time": time} for time in times]}

    found = together(status(2, *(f"2026-01-01T00:00:{n:02}Z" for n in range(8))), status(3, "2026-01-01T00:00:03Z"))
    assert (found["found"], found["repaired"]) == (5, 2)
    assert [one["time"][-3:-1] for one in found["newest"]] == ["00", "01", "02", "03", "03", "04", "05", "06", "07"]
