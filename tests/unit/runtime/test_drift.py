"""What others change: told at once, closed until it is repaired. With a real kernel: tests/netns/test_drift.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from meshbuild import attached, view
from tandem.base.clock import FixedClock, SystemClock
from tandem.base.problems import DriverError
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.shut import compile_shut
from tandem.drivers.nft.fake import FakeNft
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.watch import Change, FakeWatch
from tandem.runtime import drift, enforce
from tandem.runtime.drift import Drift, PutBack
from unit.runtime.looping import beside
from unit.runtime.test_enforce import Kernel, at, numbered, outcome_of, with_kernel

CHANGE = Change(things=("chain a removed", "chain b removed"), process="nft", pid=7)
MANY = Change(things=tuple(f"chain c{n} removed" for n in range(9)))


A, B = attached("a", "10.244.0.2"), attached("b", "10.244.0.3")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enforce, "RETRY_SECONDS", 0.01)


class Scene:
    def __init__(self) -> None:
        self.watch, self.shut, self.clock = FakeWatch(), FakeNft(), FixedClock()
        self.drift = Drift(self.watch, self.shut, self.clock)

    async def happen(self, change: Change) -> None:
        number = self.drift.found.value
        self.watch.happen(change)
        async with asyncio.timeout(10):
            while self.drift.found.value == number:
                await self.drift.found.after(self.drift.found.version)


def play(story: Callable[[Scene], Awaitable[None]]) -> None:
    beside(Scene, lambda scene: scene.drift.run(), story)


def test_it_is_closed_from_the_change_to_the_repair() -> None:
    async def story(scene: Scene) -> None:
        await scene.drift.repaired(0)
        await scene.happen(CHANGE)
        closed = scene.shut.read()
        assert closed is not None
        assert closed.chains == compile_shut().chains
        assert scene.drift.problems() == (
            "nft (process 7) changed the node's rules, not repaired yet: chain a removed, chain b removed",
        )
        await scene.drift.repaired(1)
        assert scene.shut.read() is None
        assert scene.drift.problems() == ()

    play(story)


def test_a_change_during_the_repair_keeps_it_closed_until_the_next() -> None:
    async def story(scene: Scene) -> None:
        await scene.happen(CHANGE)
        await scene.happen(MANY)
        await scene.drift.repaired(1)
        assert scene.shut.read() is not None
        assert len(scene.drift.problems()) == 2
        await scene.drift.repaired(2)
        assert scene.shut.read() is None

    play(story)


def test_what_was_changed_by_whom_is_told_also_afterwards() -> None:
    async def story(scene: Scene) -> None:
        await scene.happen(MANY)
        assert "somebody changed" in scene.drift.problems()[0]
        assert scene.drift.problems()[0].endswith("chain c3 removed and 5 more")
        await scene.drift.repaired(1)
        told = scene.drift.status()
        assert (told["found"], told["repaired"]) == (1, 1)
        assert told["newest"][0]["what"] == list(MANY.things)
        assert told["newest"][0]["time"].endswith("Z")

    play(story)


def test_a_kernel_that_does_not_tell_is_a_problem_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "RETRY_SECONDS", 0.01)

    async def story(scene: Scene) -> None:
        scene.watch.happen(DriverError("no such group"))
        async with asyncio.timeout(10):
            while not scene.drift.problems():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)
        assert scene.drift.problems() == ("drift is not seen: no such group",)
        await scene.happen(CHANGE)
        await scene.drift.repaired(1)
        assert scene.drift.problems() == ()

    play(story)


def test_without_a_table_it_is_closed_from_the_start() -> None:
    async def main() -> None:
        scene, table = Scene(), FakeNft()
        await scene.drift.begin(table)
        assert scene.shut.present()
        other = Scene()
        table.apply(plan(None, compile_shut()))
        await other.drift.begin(table)
        assert not other.shut.present()

    asyncio.run(main())


# In the loop that applies views.


def test_what_others_change_is_put_back_and_meanwhile_nothing_begins() -> None:
    async def scene(kernel: Kernel) -> None:
        kernel.views.put(numbered(1, A))
        await outcome_of(kernel.loop, at(1))
        whole = kernel.nft.read()
        assert kernel.shut.read() is None
        kernel.nft.fail_next(DriverError("busy"))
        kernel.watch.happen(CHANGE)
        await outcome_of(kernel.loop, lambda o: bool(o.failed))
        assert kernel.shut.read() is not None  # until the repair has succeeded
        assert kernel.drift.problems()
        await outcome_of(kernel.loop, lambda o: not o.failed)
        assert (kernel.nft.read(), kernel.shut.read()) == (whole, None)
        assert kernel.drift.problems() == ()
        assert kernel.applied[-1] == (1, None, view(A))  # what began in between is looked at

    with_kernel(scene)


def test_without_a_table_nothing_begins_until_there_is_one() -> None:
    """Control may be away for long, and somebody may have taken the table of an earlier agent."""

    async def scene(kernel: Kernel) -> None:
        while kernel.shut.read() is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        kernel.nft.fail_next(DriverError("no memory"))
        kernel.views.put(numbered(1, A))
        await outcome_of(kernel.loop, lambda o: bool(o.failed))
        assert kernel.shut.read() is not None
        await outcome_of(kernel.loop, at(1))
        assert kernel.shut.read() is None

    with_kernel(scene)


def test_a_table_of_an_earlier_agent_stays_in_force_when_the_kernel_refuses_the_next() -> None:
    async def play() -> None:
        kernel = Kernel()
        kernel.nft.apply(plan(None, compile_nft(view(A, B))))
        kernel.nft.forget()
        kernel.nft.fail_next(DriverError("no memory"))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(kernel.loop.run(kernel.views))
            kernel.views.put(numbered(1, A))
            await outcome_of(kernel.loop, lambda o: bool(o.failed))
            assert kernel.nft.present()
            assert kernel.shut.applied == 0
            await outcome_of(kernel.loop, at(1))
            running.cancel()

    asyncio.run(play())


def test_what_was_put_back_is_told_with_its_number_and_the_newest_of_it() -> None:
    kept = PutBack(SystemClock())
    assert kept.status() == {"found": 0, "repaired": 0, "newest": []}
    for number in range(12):
        kept.note(f"setting {number} changed")
    told = kept.status()
    assert (told["found"], told["repaired"]) == (12, 12)
    assert [one["what"] for one in told["newest"]] == [[f"setting {number} changed"] for number in range(2, 12)]
    assert {(one["by"], one["pid"]) for one in told["newest"]} == {("", 0)}
