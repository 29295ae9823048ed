"""World -> writes: every Node gets the first free share of each prefix of the cluster's pod network."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from tandem.base.addresses import family
from tandem.cluster.networks import PODS, Network, PodNetwork
from tandem.cluster.writes import Patch
from tandem.model import core
from tandem.model.world import World


def assign_pod_cidrs(world: World, pod_network: PodNetwork = PODS) -> tuple[Patch, ...]:
    """Patches for the Nodes without a pod CIDR, in the order of their names.

    A node has a share of each family or none: where one prefix is used up, the rest of the nodes stay without.
    """
    nodes = world.sorted(core.Node)
    used = [ip_network(cidr) for node in nodes for cidr in _held(node)]
    free = [_free(shares, used) for _, shares in pod_network.shares()]
    waiting = [n for n in nodes if not n.spec.pod_cidr]
    return tuple(
        Patch(
            kind="Node",
            namespace="",
            name=node.metadata.name,
            patch={"spec": {"podCIDR": str(cidrs[0]), "podCIDRs": [str(cidr) for cidr in cidrs]}},
        )
        for node, *cidrs in zip(waiting, *free, strict=False)
    )


def _held(node: core.Node) -> tuple[str, ...]:
    return node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())


def _free(shares: Iterator[Network], used: list[Network]) -> Iterator[Network]:
    for share in shares:
        theirs = [u for u in used if family(str(u)) == family(str(share))]
        if not any(share[0] in u or u[0] in share for u in theirs):
            yield share
