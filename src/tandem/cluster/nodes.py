"""World -> writes: every Node gets the first free prefix of the cluster's pod network."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

from tandem.cluster.writes import Patch
from tandem.model import core
from tandem.model.world import World

POD_NETWORK: Final = "10.244.0.0/16"
NODE_PREFIX: Final = 24
LONGEST_NODE_PREFIX: Final = 29
"""Of a node's addresses the first is its own, and two are no addresses of hosts."""


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """The addresses of all pods, and how long a node's share of them is; ValueError says what is wrong with it."""

    cidr: str = POD_NETWORK
    node_prefix: int = NODE_PREFIX

    def __post_init__(self) -> None:
        try:
            network = IPv4Network(self.cidr)
        except ValueError as err:
            raise ValueError(f"{self.cidr}: no IPv4 network: {err}") from err
        if not network.prefixlen <= self.node_prefix <= LONGEST_NODE_PREFIX:
            raise ValueError(
                f"/{self.node_prefix} cannot be a node's share of {self.cidr}: "
                f"it must lie between /{network.prefixlen} and /{LONGEST_NODE_PREFIX}"
            )


DEFAULT: Final = PodNetwork()


def assign_pod_cidrs(world: World, pod_network: PodNetwork = DEFAULT) -> tuple[Patch, ...]:
    """Patches for the Nodes without a pod CIDR, in the order of their names; a full network leaves the rest without."""
    nodes = world.sorted(core.Node)
    used = {IPv4Network(n.spec.pod_cidr) for n in nodes if n.spec.pod_cidr}
    shares = IPv4Network(pod_network.cidr).subnets(new_prefix=pod_network.node_prefix)
    free = (c for c in shares if not any(c.overlaps(u) for u in used))
    waiting = [n for n in nodes if not n.spec.pod_cidr]
    return tuple(
        Patch(
            kind="Node",
            namespace="",
            name=node.metadata.name,
            patch={"spec": {"podCIDR": str(cidr), "podCIDRs": [str(cidr)]}},
        )
        for node, cidr in zip(waiting, free, strict=False)
    )
