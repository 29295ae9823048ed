from __future__ import annotations

import msgspec

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


def test_a_node_that_was_cordoned_takes_only_what_tolerates_that() -> None:
    closed = msgspec.structs.replace(node("a"), spec=core.NodeSpec(unschedulable=True))
    plain = pod("2")
    spec = msgspec.structs.replace(plain.spec, tolerations=(core.Toleration(operator="Exists"),))
    tolerant = msgspec.structs.replace(plain, spec=spec)
    assert bound(World.of([closed, node("b"), pod("x", node_name="b"), pod("1"), tolerant])) == {"1": "b", "2": "a"}
    (write,) = schedule(World.of([closed, pod("1")]), now=0)
    assert write.patch["status"]["conditions"][0]["message"] == (
        "0/1 nodes are available: 0 not Ready, 1 unschedulable, 0 do not match spec.nodeSelector"
    )


def test_the_node_selector_is_honoured() -> None:
    assert bound(World.of([node("a"), node("b", disk="ssd"), pod("1", disk="ssd")])) == {"1": "b"}


def wanting(name: str, *ports: core.ContainerPort, node_name: str = "", phase: str = "Pending") -> core.Pod:
    plain = pod(name, node_name=node_name, phase=phase)
    return msgspec.structs.replace(
        plain, spec=msgspec.structs.replace(plain.spec, containers=(core.Container(name="c", ports=ports),))
    )


WEB = core.ContainerPort(container_port=80, host_port=8080)


def test_two_pods_with_one_host_port_are_on_two_nodes_whatever_else_is_there() -> None:
    full = [pod(f"x{n}", node_name="b", phase="Running") for n in range(3)]
    world = World.of([node("a"), node("b"), *full, wanting("1", WEB), wanting("2", WEB)])
    assert bound(world) == {"1": "a", "2": "b"}


def test_a_host_port_that_every_node_has_given_away_keeps_the_pod_waiting_and_says_so() -> None:
    (write,) = schedule(World.of([node("a"), wanting("x", WEB, node_name="a"), wanting("1", WEB)]), now=0)
    (condition,) = write.patch["status"]["conditions"]
    assert condition["message"] == (
        "0/1 nodes are available: 0 not Ready, 0 do not match spec.nodeSelector,"
        " 1 have no free ports for the requested host ports (a: n/x has 8080/TCP)"
    )


def test_a_host_port_of_a_finished_pod_is_free() -> None:
    world = World.of([node("a"), wanting("x", WEB, node_name="a", phase="Succeeded"), wanting("1", WEB)])
    assert bound(world) == {"1": "a"}


def test_a_pod_that_fits_nowhere_is_told_why_once() -> None:
    waiting = pod("1", disk="ssd")
    (write,) = schedule(World.of([node("a"), waiting]), now=0)
    (condition,) = write.patch["status"]["conditions"]
    assert condition["message"] == "0/1 nodes are available: 0 not Ready, 1 do not match spec.nodeSelector"
    told = core.PodStatus(conditions=(Condition(type="PodScheduled", status="False", message=condition["message"]),))
    again = core.Pod(api_version="v1", kind="Pod", metadata=waiting.metadata, spec=waiting.spec, status=told)
    assert schedule(World.of([node("a"), again]), now=0) == ()
