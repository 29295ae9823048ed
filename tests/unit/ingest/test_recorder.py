"""Events written through an API that keeps, forgets, refuses or does not answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from builders import pod
from tandem.base.clock import FixedClock
from tandem.ingest import recorder as recorders
from tandem.ingest.errors import ApiError, Unreachable
from tandem.ingest.fake import FakeKube
from tandem.ingest.recorder import Recorder
from tandem.model.kinds import BY_KIND
from tandem.model.said import say

EVENT = BY_KIND["Event"]
WEB = say(pod("web", namespace="shop", uid="u"), "BackOff", "again", warning=True)
OTHER = say(pod("web", namespace="shop", uid="u"), "Killing", "Stopping container a")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorders, "GATHER_SECONDS", 0.0)
    monkeypatch.setattr(recorders, "AGAIN_SECONDS", 0.0)


def recorder(kube: FakeKube) -> Recorder:
    return Recorder(kube, "tandem-runtime", FixedClock(), host="n1")


async def events(kube: FakeKube) -> list[tuple[str, int]]:
    found, _ = await kube.list(EVENT, "shop")
    return sorted((e["reason"], e["count"]) for e in found)


def test_the_same_again_is_the_same_object_with_a_higher_count() -> None:
    async def story() -> None:
        kube = FakeKube()
        made = recorder(kube)
        for told in (WEB, OTHER, WEB):
            made.tell(told)
            await made.settle()
        assert await events(kube) == [("BackOff", 2), ("Killing", 1)]

    asyncio.run(story())


def test_another_life_counts_on() -> None:
    async def story() -> None:
        kube = FakeKube()
        for _ in range(2):
            made = recorder(kube)
            made.tell(WEB)
            await made.settle()
        assert await events(kube) == [("BackOff", 2)]

    asyncio.run(story())


def test_an_event_whose_time_was_over_begins_anew() -> None:
    async def story() -> None:
        kube = FakeKube()
        made = recorder(kube)
        made.tell(WEB)
        await made.settle()
        (old,), _ = await kube.list(EVENT, "shop")
        await kube.delete(EVENT, "shop", old["metadata"]["name"])
        made.tell(WEB)
        await made.settle()
        assert await events(kube) == [("BackOff", 1)]

    asyncio.run(story())


@pytest.mark.parametrize("error", [Unreachable("no answer"), ApiError(503, "ServiceUnavailable", "starting")])
def test_a_server_that_does_not_answer_is_tried_again(error: ApiError) -> None:
    async def story() -> None:
        kube = FakeKube()
        made = recorder(kube)
        kube.fail_next(error)
        made.tell(WEB)
        await made.settle()
        assert await events(kube) == [("BackOff", 1)]

    asyncio.run(story())


def test_a_server_that_refuses_is_not_tried_again_and_holds_up_nobody_else() -> None:
    async def story() -> None:
        kube = FakeKube()
        made = recorder(kube)
        kube.fail_next(ApiError(403, "Forbidden", "the namespace is being terminated"))
        made.tell(WEB)
        made.tell(OTHER)
        await made.settle()
        assert await events(kube) == [("Killing", 1)]

    asyncio.run(story())


def test_a_fault_of_ours_costs_one_event_and_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        kube = FakeKube()
        made = recorder(kube)

        async def broken(*_: object) -> None:
            raise RuntimeError("a fault of ours")

        with monkeypatch.context() as patched:
            patched.setattr(kube, "create", broken)
            made.tell(WEB)
            await made.settle()
        made.tell(OTHER)
        await made.settle()
        assert await events(kube) == [("Killing", 1)]

    asyncio.run(story())


def test_what_is_told_while_it_runs_is_written_and_nobody_waits() -> None:
    async def story() -> None:
        kube = FakeKube()
        made = recorder(kube)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(made.run())
            for number in range(100):
                made.tell(say(pod("many", namespace="shop", uid="m"), "Unhealthy", f"failed {number}"))
            found: list[Any] = []
            while len(found) < 25:
                await asyncio.sleep(0)
                found = await events(kube)
            running.cancel()
        assert len(found) == 25, "the budget of one object"

    asyncio.run(story())
