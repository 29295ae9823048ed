"""World -> writes: every Node gets the first free /24 of the cluster's pod network."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Final

from tandem.cluster.writes import Patch
from tandem.model import core
from tandem.model.world import World

POD_NETWORK: Final = "10.244.0.0/16"
NODE_PREFIX: Final = 24


def assign_pod_cidrs(world: World, pod_network: str = POD_NETWORK) -> tuple[Patch, ...]:
    """Patches for the Nodes without a pod CIDR, in the order of their names; a full network leaves the rest without."""
    nodes = world.sorted(core.Node)
    used = {ip_network(n.spec.pod_cidr) for n in nodes if n.spec.pod_cidr}
    free = (c for c in ip_network(pod_network).subnets(new_prefix=NODE_PREFIX) if c not in used)
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
