"""Silences: counted on this process's own clock, and only while it looks."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from builders import world
from tandem.base.clock import FixedClock
from tandem.cluster.lifecycle import GRACE_SECONDS
from tandem.ingest.fake import FakeKube
from tandem.ingest.informer import Informer
from tandem.ingest.kube import KubeClient
from tandem.model.coordination import NODE_LEASES, Lease
from tandem.model.kinds import BY_KIND
from tandem.model.parse import parse
from tandem.model.said import Said
from tandem.model.world import World
from tandem.runtime.lifecycle import LOOK, Hearing, LifecycleLoop
from unit.cluster.test_lifecycle import node, unknown

NODE = BY_KIND["Node"]


def leases(version: int, renewed: str = "2026-01-31T12:00:00.000000Z") -> World:
    raw = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "a", "namespace": NODE_LEASES, "resourceVersion": str(version)},
        "spec": {"holderIdentity": "a", "renewTime": renewed},
    }
    found = parse(raw)
    assert isinstance(found, Lease)
    return world(found)


def look(hearing: Hearing, nodes: World, found: World, *, start: float, seconds: float) -> dict[str, float]:
    """Look as often as the loop does; the last answer."""
    silences: dict[str, float] = {}
    for n in range(round(seconds / LOOK) + 1):
        silences = hearing.silences(nodes, found, start + n * LOOK)
    return silences


def test_silence_grows_until_the_lease_changes_whatever_time_stands_in_it() -> None:
    hearing, nodes = Hearing(), world(node("a"))
    assert look(hearing, nodes, leases(1), start=100.0, seconds=0) == {"a": 0.0}
    assert look(hearing, nodes, leases(1), start=100.5, seconds=3.5)["a"] == 4.0
    assert look(hearing, nodes, leases(2, "1999-01-01T00:00:00.000000Z"), start=104.5, seconds=0) == {"a": 0.0}


def test_time_in_which_nobody_looked_is_no_silence() -> None:
    """The process stood still for an hour, and so did the API server in it: no node could have renewed anything."""
    hearing, nodes = Hearing(), world(node("a"))
    look(hearing, nodes, leases(1), start=100.0, seconds=0)
    assert hearing.silences(nodes, leases(1), 3700.0)["a"] <= 2 * LOOK


def test_time_in_which_nobody_could_write_is_no_silence() -> None:
    """The disk of the API server was full: no node could renew its lease."""
    hearing, nodes = Hearing(), world(node("a"))
    look(hearing, nodes, leases(1), start=100.0, seconds=1.0)
    for n in range(100):
        hearing.silences(nodes, leases(1), 101.0 + n * LOOK, writable=False)
    assert hearing.silences(nodes, leases(1), 151.0)["a"] <= 1.0 + 2 * LOOK


def test_a_new_control_believes_a_ready_node_and_not_an_unknown_one() -> None:
    assert Hearing().silences(world(node("a")), leases(1), 100.0)["a"] == 0.0
    hearing = Hearing()
    assert hearing.silences(world(unknown("a")), leases(1), 100.0)["a"] >= GRACE_SECONDS
    assert hearing.silences(world(unknown("a")), leases(2), 100.5)["a"] == 0.0


def test_a_node_without_a_lease_is_not_judged() -> None:
    assert Hearing().silences(world(node("a")), world(), 100.0) == {}


def test_the_loop_writes_what_the_silence_means() -> None:
    async def story() -> list[dict[str, Any]]:
        clock = FixedClock()
        raw = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "a"},
            "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "RuntimeReady"}]},
        }
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "a", "namespace": NODE_LEASES},
            "spec": {"holderIdentity": "a"},
        }
        kube, told = FakeKube([raw, lease]), list[Said]()
        informer = Informer(kube, (NODE, BY_KIND["Lease"]))
        loop = LifecycleLoop(cast("KubeClient", kube), informer.world, clock, told.append)
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            following = tasks.create_task(informer.run())
            running = tasks.create_task(loop.run())
            found = await kube.get(NODE, "", "a")
            while found["status"]["conditions"][0]["status"] == "True":
                clock.advance(2 * LOOK)
                await asyncio.sleep(LOOK / 10)
                found = await kube.get(NODE, "", "a")
            running.cancel()
            following.cancel()
        assert [t.reason for t in told] == ["NodeNotReady"]
        return cast("list[dict[str, Any]]", found["status"]["conditions"])

    (condition,) = asyncio.run(story())
    assert (condition["status"], condition["reason"]) == ("Unknown", "NodeStatusUnknown")
