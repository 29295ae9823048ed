"""The first pools of a cluster, and what Nodes say of their addresses."""

from __future__ import annotations

from addressing import block
from tandem.cluster.networks import PODS, PodNetwork
from tandem.cluster.nodes import assign_pod_cidrs, first_pools
from tandem.model import core
from tandem.model.meta import Meta
from tandem.model.world import World

DUAL = PodNetwork.parse("10.244.0.0/16,fd00:10:244::/56")


def node(name: str, *cidrs: str) -> core.Node:
    spec = core.NodeSpec(pod_cidr=cidrs[0] if cidrs else "", pod_cidrs=cidrs)
    return core.Node(api_version="v1", kind="Node", metadata=Meta(name=name), spec=spec)


def said(*objects: core.Node, pods: PodNetwork = PODS) -> dict[str, object]:
    blocks = [block("10.244.0.0/24", "a"), block("10.244.1.0/24", "a"), block("fd00::/120", "a")]
    return {p.name: p.patch["spec"] for p in assign_pod_cidrs(World.of([*objects, *blocks]), pods)}


def test_a_node_says_its_first_block_of_each_family() -> None:
    assert said(node("a"), node("b")) == {
        "a": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24", "fd00::/120"]}
    }


def test_the_families_stand_in_the_order_of_the_network() -> None:
    pods = PodNetwork.parse("fd00::/56,10.244.0.0/16")
    assert said(node("a"), pods=pods) == {"a": {"podCIDR": "fd00::/120", "podCIDRs": ["fd00::/120", "10.244.0.0/24"]}}


def test_what_a_node_said_before_stays_and_a_family_that_comes_later_follows() -> None:
    assert said(node("a", "10.244.1.0/24")) == {
        "a": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00::/120"]}
    }
    assert said(node("a", "10.244.1.0/24", "fd00::/120")) == {}


def test_the_first_pools_are_the_prefixes_of_the_network_with_blocks_as_long_as_a_nodes_share() -> None:
    pools = {c.raw["metadata"]["name"]: c.raw["spec"] for c in first_pools(DUAL)}
    assert pools == {
        "default": {"cidr": "10.244.0.0/16", "blockSize": 24},
        "default-ipv6": {"cidr": "fd00:10:244::/56", "blockSize": 64},
    }
