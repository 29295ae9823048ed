from __future__ import annotations

from tandem.cluster.networks import PodNetwork
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
    assert [p.name for p in assign_pod_cidrs(world, PodNetwork.parse("10.9.0.0/23"))] == ["a", "b"]


def test_the_share_of_a_node_has_the_length_that_was_asked_for() -> None:
    got = assign_pod_cidrs(World.of([node("a"), node("b")]), PodNetwork.parse("10.9.0.0/24", "29"))
    assert [p.patch["spec"]["podCIDR"] for p in got] == ["10.9.0.0/29", "10.9.0.8/29"]


def test_a_share_never_overlaps_one_that_was_given_out_with_another_length() -> None:
    world = World.of([node("a", "10.9.0.0/25"), node("b")])
    assert [p.patch["spec"]["podCIDR"] for p in assign_pod_cidrs(world, PodNetwork.parse("10.9.0.0/24", "26"))] == [
        "10.9.0.128/26"
    ]


DUAL = PodNetwork.parse("10.244.0.0/16,fd00:10:244::/56")


def test_a_node_gets_a_share_of_each_family_in_the_order_of_the_network() -> None:
    (got,) = assign_pod_cidrs(World.of([node("a")]), DUAL)
    assert got.patch["spec"] == {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24", "fd00:10:244::/64"]}
    (got,) = assign_pod_cidrs(World.of([node("a")]), PodNetwork.parse("fd00:10:244::/56,10.244.0.0/16"))
    assert got.patch["spec"]["podCIDR"] == "fd00:10:244::/64"


def test_where_one_family_is_used_up_a_node_gets_none_of_the_other() -> None:
    short = PodNetwork.parse("10.244.0.0/16,fd00:10:244::/64")
    assert [p.name for p in assign_pod_cidrs(World.of([node("a"), node("b")]), short)] == ["a"]


def test_shares_of_both_families_that_were_given_out_are_not_given_again() -> None:
    held = core.NodeSpec(pod_cidr="10.244.0.0/24", pod_cidrs=("10.244.0.0/24", "fd00:10:244::/64"))
    first = core.Node(api_version="v1", kind="Node", metadata=Meta(name="z"), spec=held)
    (got,) = assign_pod_cidrs(World.of([first, node("a")]), DUAL)
    assert got.patch["spec"]["podCIDRs"] == ["10.244.1.0/24", "fd00:10:244:1::/64"]
