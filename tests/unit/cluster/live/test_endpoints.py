"""Slices at the cost of what changed; that they are those of the whole, tests/property/test_controllers.py shows."""

from __future__ import annotations

import pytest

from builders import node, pod, service
from tandem.cluster.live.endpoints import LiveEndpoints
from tandem.cluster.writes import Create
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from working import calls_of

NODE = node("node-1")


def settled(count: int) -> tuple[LiveEndpoints, World]:
    """So many Services of two pods each, with their slices."""
    world = World(synced=True)
    for number in range(count):
        app = f"s{number}"
        made: list[Object] = [service(app, selector={"app": app})]
        made += (pod(f"{app}-{n}", ip=f"10.{n}.{number >> 8}.{number & 255}", app=app) for n in range(2))
        for obj in made:
            world = world.with_changes(obj.kind, {obj.key: obj}, synced=True)
    world = world.with_changes("Node", {NODE.key: NODE}, synced=True)
    live = LiveEndpoints()
    for write in live.update(world):
        assert isinstance(write, Create)
        piece = parse(write.raw)
        world = world.with_changes(piece.kind, {piece.key: piece}, synced=True)
    assert live.update(world) == ()
    return live, world


def test_a_pod_that_leaves_is_written_once_and_until_it_is_done() -> None:
    live, world = settled(3)
    later = world.with_changes("Pod", {("default", "s1-0"): None}, synced=True)
    writes = live.update(later)
    assert len(writes) == 1
    assert live.update(later) == writes
    assert live.update(world) == ()


@pytest.mark.parametrize(
    "changed", [pod("s1-0", ip="10.0.0.1", app="s2"), service("s1", selector={"app": "s2"}), pod("new", app="s1")]
)
def test_a_change_costs_the_services_that_it_is_about(changed: Object) -> None:
    def work(count: int) -> int:
        live, world = settled(count)
        return calls_of(lambda: live.update(world.with_changes(changed.kind, {changed.key: changed}, synced=True)))

    assert work(120) <= work(30) + 20


def test_the_heartbeat_of_a_node_makes_no_slice_anew() -> None:
    def work(count: int) -> int:
        live, world = settled(count)
        beating = node("node-1", cpus="4")
        return calls_of(lambda: live.update(world.with_changes("Node", {beating.key: beating}, synced=True)))

    assert work(120) <= work(30) + 20
