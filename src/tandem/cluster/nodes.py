"""Which pools a cluster has at first, and what each Node says of its own addresses: spec.podCIDRs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tandem.base.addresses import IPV4, IPV6, family
from tandem.base.block import span
from tandem.cluster.networks import PODS, PodNetwork
from tandem.cluster.writes import Create, Patch
from tandem.model import core
from tandem.model.ipam import IPAMBlock
from tandem.model.world import World

POOLS: Final = {IPV4: "default", IPV6: "default-ipv6"}


def first_pools(pods: PodNetwork) -> Iterator[Create]:
    """The pools of a cluster that has none: one for each prefix of its pod network."""
    for cidr, length in zip(pods.cidrs, pods.node_prefixes, strict=True):
        metadata = {"name": POOLS[family(cidr)]}
        spec = {"cidr": cidr, "blockSize": length}
        yield Create(raw={"apiVersion": "tandem.io/v1", "kind": "IPPool", "metadata": metadata, "spec": spec})


def own_prefixes(node: core.Node) -> tuple[str, ...]:
    """spec.podCIDRs, or spec.podCIDR where that alone is set."""
    return node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())


def assign_pod_cidrs(world: World, pods: PodNetwork = PODS) -> tuple[Patch, ...]:
    """Patches for the Nodes whose first block of a family is not in spec.podCIDRs, in the order of their names.

    The families stand in the order of preference of the pod network.
    """
    first: dict[str, dict[int, IPAMBlock]] = {}
    for block in sorted(world.sorted(IPAMBlock), key=lambda b: span(b.spec.cidr)):
        first.setdefault(block.spec.node, {}).setdefault(block.version, block)
    found = []
    for node in world.sorted(core.Node):
        have = own_prefixes(node)
        blocks = first.get(node.metadata.name, {})
        order = dict.fromkeys((*pods.families, IPV4, IPV6))
        missing = [blocks[v].spec.cidr for v in order if v in blocks and v not in map(family, have)]
        if missing:
            prefixes = [*have, *missing]
            patch = {"spec": {"podCIDR": prefixes[0], "podCIDRs": prefixes}}
            found.append(Patch(kind="Node", namespace="", name=node.metadata.name, patch=patch))
    return tuple(found)
