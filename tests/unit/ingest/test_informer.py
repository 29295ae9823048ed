"""Informer over the fake API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tandem.ingest.errors import NotFound, Unreachable
from tandem.ingest.fake import FakeKube
from tandem.ingest.informer import Informer
from tandem.model import core
from tandem.model.clusterpolicy import ClusterNetworkPolicy
from tandem.model.istio import VirtualService
from tandem.model.kinds import BY_KIND, Kind
from tandem.model.meta import RawObject
from tandem.model.policy import NetworkPolicy
from tandem.model.unreadable import Unreadable
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
        assert informer.world.version - before < 100

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


POLICY = BY_KIND["NetworkPolicy"]


def netpol(*peers: dict[str, Any]) -> dict[str, Any]:
    spec = {"podSelector": {}, "ingress": [{"from": list(peers)}]}
    meta = {"name": "p", "namespace": "default"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


def held(world: World) -> list[tuple[str, tuple[str, ...]]]:
    """The peers of the one policy (`-` where it is closed), and what was not understood."""
    return [
        ("".join("-" if peer.pod_selector is None else "p" for peer in p.spec.ingress[0].peers), p.metadata.unreadable)
        for p in world.sorted(NetworkPolicy)
    ]


def test_a_policy_that_is_not_understood_is_closed_and_opens_when_it_is() -> None:
    kube = FakeKube([netpol({"podSelector": {}}, {"newSelector": {}})])

    async def story() -> None:
        informer = Informer(kube, [POLICY])
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informer.run())
            world = await until(informer, lambda w: w.synced)
            ((peers, (why,)),) = held(world)
            assert peers == "p-"
            assert why.startswith("spec.ingress[0].from[1].newSelector: unknown field")
            await kube.replace(POLICY, netpol({"podSelector": {}}))
            await until(informer, lambda w: held(w) == [("p", ())])
            await kube.replace(POLICY, netpol({"newSelector": {}}))
            await until(informer, lambda w: [peers for peers, _ in held(w)] == ["-"])
            running.cancel()

    asyncio.run(story())


def test_what_cannot_be_read_is_told_of_until_it_can_or_is_gone() -> None:
    kube = FakeKube([{**config("a"), "data": {"k": "v"}}, {**config("b"), "data": {"k": 7}}])

    def told(world: World) -> list[str]:
        return [o.metadata.name for o in world.sorted(Unreadable)]

    async def story(informer: Informer) -> None:
        world = await until(informer, lambda w: w.synced)
        assert (names(world), told(world)) == ({"a"}, ["b"])
        assert world.sorted(Unreadable)[0].metadata.unreadable[0].startswith("data[...]: Expected `str`")
        await kube.replace(CONFIG, {**config("a"), "data": {"k": 7}})
        world = await until(informer, lambda w: told(w) == ["a", "b"])
        assert names(world) == set()
        await kube.replace(CONFIG, config("b"))
        await kube.delete(CONFIG, "default", "a")
        world = await until(informer, lambda w: told(w) == [])
        assert names(world) == {"b"}

    informed(kube, story)


def test_a_route_with_a_field_that_nobody_knows_is_left_out_and_told_of() -> None:
    """An API server with a newer version of the API lets it in; what it says may narrow what the rest says."""
    meta = {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "1"}
    strange = {"hosts": ["web"], "http": [{"newMatch": {}, "route": [{"destination": {"host": "web"}}]}]}
    route = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": meta, "spec": strange}
    kube = FakeKube([route])

    async def story() -> None:
        informer = Informer(kube, [BY_KIND["VirtualService"]])
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informer.run())
            world = await until(informer, lambda w: w.synced)
            ((why,),) = (found.metadata.unreadable for found in world.sorted(Unreadable))
            assert why.startswith("spec.http[0].newMatch: unknown field")
            assert world.sorted(VirtualService) == ()
            await kube.replace(BY_KIND["VirtualService"], {**route, "spec": {"hosts": ["web"]}})
            world = await until(informer, lambda w: len(w.sorted(VirtualService)) == 1)
            assert world.sorted(Unreadable) == ()
            running.cancel()

    asyncio.run(story())


def test_what_could_not_be_read_is_forgotten_if_it_is_gone_when_all_are_listed_again() -> None:
    kube = FakeKube([{**config("b"), "data": {"k": 7}}])

    async def story(informer: Informer) -> None:
        await until(informer, lambda w: w.synced and len(w.all(Unreadable)) == 1)
        kube.break_watches(Unreachable("gone"))
        await kube.delete(CONFIG, "default", "b")
        kube.compact()
        await until(informer, lambda w: not w.all(Unreadable))

    informed(kube, story)


class Older:
    """A server that has one version of a kind only, and changes to another."""

    def __init__(self, kube: FakeKube, version: str) -> None:
        self.kube, self.version = kube, version
        self._lists = asyncio.Semaphore(0)

    async def asked_again(self, times: int) -> None:
        """Until a list was asked for so often."""
        for _ in range(times):
            await self._lists.acquire()

    async def list(self, kind: Kind, namespace: str = "") -> tuple[list[RawObject], str]:
        self._lists.release()
        if kind.versions[0] != self.version:
            raise NotFound(404, "NotFound", "the server could not find the requested resource")
        return await self.kube.list(kind, namespace)

    async def watch(self, kind: Kind, resource_version: str) -> AsyncIterator[tuple[str, RawObject]]:
        if kind.versions[0] != self.version:
            raise NotFound(404, "NotFound", "the server could not find the requested resource")
        async for event in self.kube.watch(kind, resource_version):
            yield event


def test_a_kind_is_found_in_whatever_version_the_server_has_it() -> None:
    kind = BY_KIND["ClusterNetworkPolicy"]
    raw = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": kind.kind, "metadata": {"name": "c"}, "spec": {}}
    server = Older(FakeKube([raw]), "v1alpha2")

    async def story() -> None:
        informer = Informer(server, [kind])
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informer.run())
            world = await until(informer, lambda w: w.synced)
            assert len(world.all(ClusterNetworkPolicy)) == 1
            assert informer.served(kind).versions == ("v1alpha2",)
            server.version = "v1beta1"
            server.kube.break_watches(Unreachable("upgraded"))
            await server.kube.create(kind, {**raw, "metadata": {"name": "d"}})
            await until(informer, lambda w: len(w.all(ClusterNetworkPolicy)) == 2)
            assert informer.served(kind).versions == ("v1beta1",)
            running.cancel()

    asyncio.run(story())


def test_a_kind_that_is_not_served_is_looked_for_again_without_new_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = BY_KIND["ClusterNetworkPolicy"]
    monkeypatch.setattr("tandem.ingest.informer._ABSENT_KIND", 0.01)
    raw = {"apiVersion": "policy.networking.k8s.io/v1beta1", "kind": kind.kind, "metadata": {"name": "c"}, "spec": {}}
    server = Older(FakeKube([raw]), "none")

    async def story() -> None:
        informer = Informer(server, [kind])
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informer.run())
            empty = await until(informer, lambda w: w.synced)
            await server.asked_again(5)
            assert informer.world.value is empty
            server.version = "v1beta1"
            await until(informer, lambda w: len(w.all(ClusterNetworkPolicy)) == 1)
            running.cancel()

    asyncio.run(story())
