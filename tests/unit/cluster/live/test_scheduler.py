"""Bindings at the cost of what waits; that they are as a whole is shown in tests/property/test_controllers.py."""

from __future__ import annotations

import msgspec

from builders import node, pod
from tandem.cluster.live.scheduler import LiveScheduler
from tandem.model import core
from tandem.model.world import World
from working import calls_of


def with_pods(world: World, *pods: core.Pod) -> World:
    return world.with_changes("Pod", {one.key: one for one in pods}, synced=True)


NODES = World(synced=True).with_changes("Node", {("", n): node(n) for n in ("n1", "n2")}, synced=True)


def test_the_node_with_the_fewest_pods_takes_the_next_one_after_every_change() -> None:
    live = LiveScheduler()
    world = with_pods(NODES, pod("a", node="n1"), pod("b", node=""))
    assert [write.patch for write in live.update(world, at=0)] == [{"spec": {"nodeName": "n2"}}]
    world = with_pods(world, pod("a", node="n1", phase="Succeeded"), pod("c", node="n2"), pod("b", node="n2"))
    world = with_pods(world, pod("d", node=""))
    assert [write.patch for write in live.update(world, at=0)] == [{"spec": {"nodeName": "n1"}}]


def test_pods_that_have_a_node_cost_nothing() -> None:
    def work(count: int) -> int:
        live, world = LiveScheduler(), with_pods(NODES, *(pod(f"p{n}", node="n1") for n in range(count)))
        live.update(world, at=0)
        return calls_of(lambda: live.update(with_pods(world, pod("new", node="")), at=0))

    assert work(200) <= work(50) + 4


def test_pods_that_no_node_can_take_are_looked_at_again_with_other_nodes_only() -> None:
    def work(count: int) -> int:
        said = "0/2 nodes are available: 0 not Ready, 2 do not match spec.nodeSelector"
        told = {"conditions": [{"type": "PodScheduled", "status": "False", "message": said}]}
        fast = {"nodeSelector": {"disk": "fast"}}
        plain = [pod(f"p{n}", node="", spec=fast) for n in range(count)]
        status = msgspec.convert(told, core.PodStatus)
        waiting = [msgspec.structs.replace(one, status=status) for one in plain]
        live, world = LiveScheduler(), with_pods(NODES, *waiting)
        assert live.update(world, at=0) == ()
        return calls_of(lambda: live.update(with_pods(world, pod("a", node="n1")), at=0))

    assert work(200) <= work(50) + 4


def test_a_pod_that_waits_for_a_host_port_gets_its_node_when_the_port_comes_free() -> None:
    ports = {"containers": [{"name": "c", "image": "host", "ports": [{"containerPort": 80, "hostPort": 8080}]}]}
    live, one = LiveScheduler(), World(synced=True).with_changes("Node", {("", "n1"): node("n1")}, synced=True)
    world = with_pods(one, pod("a", node="n1", spec=ports), pod("b", node="", spec=ports))
    (told,) = live.update(world, at=0)
    assert "no free ports" in told.patch["status"]["conditions"][0]["message"]
    status = msgspec.convert(told.patch["status"], core.PodStatus)
    world = with_pods(world, msgspec.structs.replace(pod("b", node="", spec=ports), status=status))
    assert live.update(world, at=0) == ()
    assert live.update(with_pods(world, pod("c", node="n1")), at=0) == ()
    world = world.with_changes("Pod", {pod("a").key: None}, synced=True)
    assert [write.patch for write in live.update(world, at=0)] == [{"spec": {"nodeName": "n1"}}]
