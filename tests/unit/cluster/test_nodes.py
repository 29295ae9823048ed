from __future__ import annotations

import pytest

from tandem.cluster.nodes import PodNetwork, assign_pod_cidrs
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
    assert [p.name for p in assign_pod_cidrs(world, PodNetwork("10.9.0.0/23"))] == ["a", "b"]


def test_the_share_of_a_node_has_the_length_that_was_asked_for() -> None:
    got = assign_pod_cidrs(World.of([node("a"), node("b")]), PodNetwork("10.9.0.0/24", 29))
    assert [p.patch["spec"]["podCIDR"] for p in got] == ["10.9.0.0/29", "10.9.0.8/29"]


def test_a_share_never_overlaps_one_that_was_given_out_with_another_length() -> None:
    world = World.of([node("a", "10.9.0.0/25"), node("b")])
    assert [p.patch["spec"]["podCIDR"] for p in assign_pod_cidrs(world, PodNetwork("10.9.0.0/24", 26))] == [
        "10.9.0.128/26"
    ]


@pytest.mark.parametrize(
    ("cidr", "prefix", "said"),
    [
        ("10.9.0.0/24", 30, "between /24 and /29"),
        ("10.9.0.0/24", 16, "between /24 and /29"),
        ("10.9.0.1/24", 26, "host bits"),
        ("fd00::/64", 80, "no IPv4 network"),
    ],
)
def test_a_network_that_cannot_be_shared_out_is_refused_with_the_reason(cidr: str, prefix: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PodNetwork(cidr, prefix)
