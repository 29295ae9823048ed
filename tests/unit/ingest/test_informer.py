"""Informer over the fake API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tandem.ingest.errors import NotFound, Unreachable
from tandem.ingest.fake import FakeKube
from tandem.ingest.informer import Informer
from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.model.world import World

CONFIG, SERVICE = BY_KIND["ConfigMap"], BY_KIND["Service"]


def config(name: str, **data: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def until(informer: Informer, wanted: Callable[[World], bool]) -> World:
    seen = -1
    while True:
        seen, world = await informer.world.after(seen)
        if wanted(world):
            return world


def names(world: World) -> set[str]:
    return {name for _, name in world.all(core.ConfigMap)}


def informed(kube: FakeKube, story: Callable[[Informer], Awaitable[None]]) -> None:
    async def run() -> None:
        informer = Informer(kube, [CONFIG, SERVICE])
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informer.run())
            await story(informer)
            running.cancel()

    asyncio.run(run())


def test_nothing_is_synced_before_every_kind_was_listed() -> None:
    kube = FakeKube([config("a")])

    async def story(informer: Informer) -> None:
        assert not informer.world.value.synced
        assert names(informer.world.value) == set()
        world = await until(informer, lambda w: w.synced)
        assert names(world) == {"a"}

    informed(kube, story)


def test_adds_changes_and_deletes_reach_the_world() -> None:
    kube = FakeKube([config("a", k="1")])

    async def story(informer: Informer) -> None:
        await until(informer, lambda w: w.synced)
        await kube.create(CONFIG, config("b"))
        await kube.patch(CONFIG, "default", "a", {"data": {"k": "2"}})
        world = await until(informer, lambda w: "b" in names(w))
        world = await until(informer, lambda w: w.all(core.ConfigMap)["default", "a"].data == {"k": "2"})
        await kube.delete(CONFIG, "default", "a")
        world = await until(informer, lambda w: "a" not in names(w))
        assert world.synced

    informed(kube, story)


def test_a_burst_of_events_makes_few_worlds() -> None:
    kube = FakeKube()

    async def story(informer: Informer) -> None:
        await until(informer, lambda w: w.synced)
        before = informer.world.version
        for i in range(200):
            await kube.create(CONFIG, config(f"c{i}"))
        await until(informer, lambda w: len(names(w)) == 200)
        assert informer.world.version - before < 20

    informed(kube, story)


def test_a_lost_history_leads_to_a_new_list() -> None:
    kube = FakeKube([config("a")])

    async def story(informer: Informer) -> None:
        await until(informer, lambda w: w.synced)
        kube.break_watches(Unreachable("cut"))
        await kube.delete(CONFIG, "default", "a")
        await kube.create(CONFIG, config("b"))
        kube.compact()
        world = await until(informer, lambda w: names(w) == {"b"})
        assert world.synced

    informed(kube, story)


def test_an_unreachable_server_is_tried_again() -> None:
    kube = FakeKube([config("a")])
    kube.fail_next(Unreachable("down"))
    kube.fail_next(Unreachable("down"))

    async def story(informer: Informer) -> None:
        world = await until(informer, lambda w: w.synced)
        assert names(world) == {"a"}

    informed(kube, story)


def test_what_does_not_parse_is_left_out_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    kube = FakeKube([config("good"), config("bad-one", k=["not", "text"])])

    async def story(informer: Informer) -> None:
        world = await until(informer, lambda w: w.synced)
        assert names(world) == {"good"}

    informed(kube, story)
    assert "bad-one" in capsys.readouterr().out


def test_an_object_that_no_longer_parses_leaves_the_world() -> None:
    kube = FakeKube([config("a", k="v")])

    async def story(informer: Informer) -> None:
        await until(informer, lambda w: w.synced)
        await kube.patch(CONFIG, "default", "a", {"data": {"k": 7}})
        await until(informer, lambda w: names(w) == set())

    informed(kube, story)


def test_a_kind_that_the_server_does_not_know_counts_as_empty() -> None:
    kube = FakeKube([config("a")])
    kube.fail_next(NotFound(404, "NotFound", "the server could not find the requested resource"))

    async def story(informer: Informer) -> None:
        world = await until(informer, lambda w: w.synced)
        assert names(world) == set()

    informed(kube, story)
