from __future__ import annotations

from tandem.cluster.scheduler import schedule
from tandem.model import core
from tandem.model.meta import Condition, Meta
from tandem.model.world import World


def node(name: str, *, ready: bool = True, **labels: str) -> core.Node:
    status = core.NodeStatus(conditions=(Condition(type="Ready", status="True" if ready else "False"),))
    return core.Node(api_version="v1", kind="Node", metadata=Meta(name=name, labels=labels), status=status)


def pod(name: str, *, node_name: str = "", phase: str = "Pending", **selector: str) -> core.Pod:
    return core.Pod(
        api_version="v1",
        kind="Pod",
        metadata=Meta(name=name, namespace="n"),
        spec=core.PodSpec(node_name=node_name, node_selector=selector),
        status=core.PodStatus(phase=phase),
    )


def bound(world: World) -> dict[str, str]:
    return {p.name: p.patch["spec"]["nodeName"] for p in schedule(world, now=0) if "spec" in p.patch}


def test_pods_spread_over_the_nodes() -> None:
    got = bound(World.of([node("a"), node("b"), pod("1"), pod("2"), pod("3"), pod("x", node_name="a")]))
    assert got == {"1": "b", "2": "a", "3": "b"}


def test_a_finished_pod_is_no_load() -> None:
    assert bound(World.of([node("a"), node("b"), pod("x", node_name="a", phase="Succeeded"), pod("1")])) == {"1": "a"}


def test_a_node_that_is_not_ready_takes_nothing() -> None:
    assert bound(World.of([node("a", ready=False), node("b"), pod("1")])) == {"1": "b"}


def test_the_node_selector_is_honoured() -> None:
    assert bound(World.of([node("a"), node("b", disk="ssd"), pod("1", disk="ssd")])) == {"1": "b"}


def test_a_pod_that_fits_nowhere_is_told_why_once() -> None:
    waiting = pod("1", disk="ssd")
    (write,) = schedule(World.of([node("a"), waiting]), now=0)
    (condition,) = write.patch["status"]["conditions"]
    assert condition["message"] == "0/1 nodes are available: 0 not Ready, 1 do not match spec.nodeSelector"
    told = core.PodStatus(conditions=(Condition(type="PodScheduled", status="False", message=condition["message"]),))
    again = core.Pod(api_version="v1", kind="Pod", metadata=waiting.metadata, spec=waiting.spec, status=told)
    assert schedule(World.of([node("a"), again]), now=0) == ()
