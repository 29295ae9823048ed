from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tandem.base.cell import Cell
from tandem.base.clock import FixedClock
from tandem.ingest.errors import ApiError
from tandem.ingest.fake import FakeKube
from tandem.ingest.informer import Informer
from tandem.ir.holdings import Holdings
from tandem.model.kinds import BY_KIND
from tandem.model.meta import RawObject
from tandem.model.parse import parse
from tandem.model.said import Said
from tandem.model.world import World
from tandem.runtime.cluster import AWAIT_SECONDS, KINDS, ClusterLoop, Memory

NODE: RawObject = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "node-1"},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}
SERVICE: RawObject = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "n"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}


def deployment(replicas: int) -> RawObject:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "command": ["x"]}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "n"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    }


def nobody(_: Said) -> None:
    """Is told."""


async def frozen_world(kube: FakeKube) -> Cell[World]:
    """A World as an informer had it before we wrote anything: it lags for ever."""
    objects = []
    for kind in KINDS:
        items, _ = await kube.list(BY_KIND[kind])
        objects += [parse(raw) for raw in items]
    return Cell(World.of(objects))


async def names(kube: FakeKube, kind: str) -> list[str]:
    return [raw["metadata"]["name"] for raw in (await kube.list(BY_KIND[kind]))[0]]


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await done():  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.005)


def test_a_lagging_informer_makes_no_write_twice() -> None:
    async def run() -> None:
        kube = FakeKube([NODE, SERVICE, deployment(3)])
        loop = ClusterLoop(kube, await frozen_world(kube), nobody, clock=FixedClock())
        assert await loop.settle()
        pods, version = await kube.list(BY_KIND["Pod"])
        assert len(pods) == 3
        assert {p["spec"]["nodeName"] for p in pods} == {"node-1"}
        assert await loop.settle()
        assert (await kube.list(BY_KIND["Pod"]))[1] == version

    asyncio.run(run())


def test_a_write_that_was_never_shown_is_forgotten_after_a_while() -> None:
    memory = Memory()
    raw = {**NODE, "metadata": {"name": "node-1", "uid": "u", "resourceVersion": "7"}}
    memory.remember(parse(raw), until=5)
    assert memory.over(World.of([]), 4).all(BY_KIND["Node"].cls)
    assert not memory.over(World.of([]), 5).all(BY_KIND["Node"].cls)


def test_a_removed_object_stays_removed_until_the_informer_knows() -> None:
    memory = Memory()
    old = parse({**NODE, "metadata": {"name": "node-1", "uid": "u", "resourceVersion": "7"}})
    new = parse({**NODE, "metadata": {"name": "node-1", "uid": "v", "resourceVersion": "9"}})
    memory.forget("Node", ("", "node-1"), "u", until=5)
    assert not memory.over(World.of([old]), 0).all(BY_KIND["Node"].cls)
    assert memory.over(World.of([new]), 0).all(BY_KIND["Node"].cls)


def test_a_refused_write_is_tried_again() -> None:
    async def run() -> None:
        kube = FakeKube([NODE, deployment(1)])
        loop = ClusterLoop(kube, await frozen_world(kube), nobody, clock=FixedClock())
        kube.fail_next(ApiError(500, "InternalError", "disk full"))
        assert not await loop.settle()
        assert await loop.settle()
        assert len(await names(kube, "Pod")) == 1

    asyncio.run(run())


def test_what_was_done_is_told_and_what_the_api_refuses_to_make() -> None:
    async def run() -> None:
        kube, told = FakeKube([NODE]), list[Said]()
        assert await ClusterLoop(kube, await frozen_world(kube), nobody, clock=FixedClock()).settle()
        await kube.create(BY_KIND["Deployment"], deployment(1))
        loop = ClusterLoop(kube, await frozen_world(kube), told.append, clock=FixedClock())
        kube.fail_next(ApiError(403, "Forbidden", "no more pods"))
        assert not await loop.settle()
        assert [(t.about.kind, t.reason, t.message, t.warning) for t in told] == [
            ("Deployment", "FailedCreate", "Error creating: no more pods", True)
        ]
        told.clear()
        assert await loop.settle()
        (name,) = await names(kube, "Pod")
        assert [(t.about.kind, t.reason, t.message) for t in told] == [
            ("Deployment", "SuccessfulCreate", f"Created pod: {name}"),
            ("Pod", "Scheduled", f"Successfully assigned n/{name} to node-1"),
        ]

    asyncio.run(run())


def test_the_loop_follows_a_deployment_from_creation_over_scaling_to_deletion() -> None:
    async def run() -> None:
        kube = FakeKube([NODE, SERVICE])
        informer = Informer(kube, [BY_KIND[k] for k in KINDS])
        told: list[Said] = []

        async def have(kind: str, number: int) -> bool:
            return len(await names(kube, kind)) == number

        async def story() -> None:
            kind: Any = BY_KIND["Deployment"]
            await kube.create(kind, deployment(4))
            await until(lambda: have("Pod", 4))
            await kube.patch(kind, "n", "web", {"spec": {"replicas": 1}})
            await until(lambda: leaving(3))
            assert sum(t.reason == "SuccessfulDelete" for t in told) == 3
            await kube.delete(kind, "n", "web")
            await until(lambda: leaving(4))
            await until(lambda: have("EndpointSlice", 1))

        async def leaving(number: int) -> bool:
            pods, _ = await kube.list(BY_KIND["Pod"])
            assert len(pods) == 4
            return sum("deletionTimestamp" in p["metadata"] for p in pods) == number

        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(informer.run()),
                tasks.create_task(ClusterLoop(kube, informer.world, told.append, clock=FixedClock()).run()),
            ]
            await story()
            for task in running:
                task.cancel()

    asyncio.run(run())


def test_a_new_control_waits_for_what_nodes_hold_but_not_for_ever() -> None:
    async def run(*, speaks: bool) -> list[str]:
        pool: RawObject = {"apiVersion": "tandem.io/v1", "kind": "IPPool", "metadata": {"name": "p"}}
        pool["spec"] = {"cidr": "10.0.0.0/26", "blockSize": 29}
        old = {**NODE, "spec": {"podCIDR": "10.0.0.0/29", "podCIDRs": ["10.0.0.0/29"]}}
        new = {**NODE, "metadata": {"name": "node-2"}}
        kube, clock = FakeKube([pool, old, new]), FixedClock()
        holdings: Cell[Mapping[str, Holdings]] = Cell({})
        worlds = await frozen_world(kube)
        loop = ClusterLoop(kube, worlds, nobody, holdings=holdings, clock=clock)
        assert await loop.settle()
        assert await names(kube, "IPAMBlock") == ["10-0-0-0-29"]
        worlds.put((await frozen_world(kube)).value)
        if speaks:
            holdings.put({"node-1": Holdings()})
        else:
            clock.advance(AWAIT_SECONDS)
        assert await loop.settle()
        return sorted(await names(kube, "IPAMBlock"))

    for speaks in (True, False):
        assert asyncio.run(run(speaks=speaks)) == ["10-0-0-0-29", "10-0-0-8-29"]
