from __future__ import annotations

from tandem.cluster.nodes import assign_pod_cidrs
from tandem.model import core
from tandem.model.meta import Meta
from tandem.model.world import World


def node(name: str, cidr: str = "") -> core.Node:
    return core.Node(api_version="v1", kind="Node", metadata=Meta(name=name), spec=core.NodeSpec(pod_cidr=cidr))


def test_nodes_get_the_first_free_ranges_in_the_order_of_their_names() -> None:
    world = World.of([node("b"), node("a"), node("c", "10.244.0.0/24")])
    got = {p.name: p.patch["spec"]["podCIDR"] for p in assign_pod_cidrs(world)}
    assert got == {"a": "10.244.1.0/24", "b": "10.244.2.0/24"}


def test_a_node_with_a_range_keeps_it() -> None:
    assert assign_pod_cidrs(World.of([node("a", "10.244.7.0/24")])) == ()


def test_a_full_network_leaves_the_last_node_without() -> None:
    world = World.of([node("a"), node("b"), node("c")])
    assert [p.name for p in assign_pod_cidrs(world, "10.9.0.0/23")] == ["a", "b"]
