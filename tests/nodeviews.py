"""World -> NodeView of one node, without the processes in between: what a policy test compiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from meshbuild import CONFIG
from tandem.base.ids import ContainerId, NodeName, PodUid, PolicySetId, SpiffeId
from tandem.compile import names
from tandem.ir.domains import asked_for, patterns_of
from tandem.ir.fabric import LocalPod, Node
from tandem.ir.node import AttachedPod, NodeView
from tandem.ir.policy import PolicySet
from tandem.model import core
from tandem.model.world import World
from tandem.translate.nodes import inner_prefixes
from tandem.translate.options import Options
from tandem.translate.policy import translate_policy
from tandem.translate.services import translate_services

DNS = "10.96.0.10"
GATEWAY = "10.244.0.1"


def node(name: str = "node-1", *cidrs: str) -> Node:
    """A node with these pod prefixes (10.244.0.0/16 unless told)."""
    return Node(name=NodeName(name), addresses=(address_of(name),), pod_cidrs=cidrs or ("10.244.0.0/16",))


def address_of(node: str) -> str:
    """The address of a node: that of `node-2` ends in 2, that of others in 1."""
    return "192.168.0.2" if node == "node-2" else "192.168.0.1"


def ifname_of(pod: core.Pod) -> str:
    """The host link of a pod."""
    return names.host_ifname(ContainerId(pod.metadata.uid), "eth0")


def attached(pod: core.Pod, *, ingress: str | None = None, egress: str | None = None) -> AttachedPod:
    """A pod with its link, judged by these policy sets."""
    local = LocalPod(
        uid=PodUid(pod.metadata.uid),
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        service_account="default",
        identity=SpiffeId("spiffe://cluster.local/ns/default/sa/default"),
        ingress=PolicySetId(ingress) if ingress else None,
        egress=PolicySetId(egress) if egress else None,
    )
    return AttachedPod(
        pod=local,
        container_id=ContainerId(pod.metadata.uid),
        addresses=pod.addresses,
        host_ifname=ifname_of(pod),
        netns=f"/run/netns/{pod.metadata.name}",
    )


def view_of(world: World, *, node_name: str = "node-1", names: Mapping[str, tuple[str, ...]] | None = None) -> NodeView:
    """What the node enforces for its pods in this World; Services with their slices; `names` are known to its DNS."""
    policy, _ = translate_policy(world)
    pods = [
        attached(p, ingress=policy.ingress.get(p.metadata.uid), egress=policy.egress.get(p.metadata.uid))
        for p in world.sorted(core.Pod)
        if p.spec.node_name == node_name and not p.spec.host_network and not p.finished
    ]
    found = translate_services(world, {}, inner=inner_prefixes(world, Options()))
    zone = {n.metadata.name: n.metadata.labels.get(core.ZONE, "") for n in world.sorted(core.Node)}.get(node_name, "")
    return NodeView(
        node=msgspec.structs.replace(node(node_name), zone=zone),
        config=CONFIG,
        pods=tuple(pods),
        sets=policy.sets,
        groups=policy.groups,
        services=found.services,
        endpoints=found.endpoints,
        learned=learned_of(policy.sets.values(), names or {}),
    )


def learned_of(sets: Iterable[PolicySet], names: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """What a node has learned of these names, by the patterns that the sets ask for."""
    found: dict[str, set[str]] = {}
    for name, addresses in names.items():
        for pattern in patterns_of(name):
            found.setdefault(pattern, set()).update(addresses)
    wanted = sorted({p for s in sets for p in asked_for(s)})
    return {p: tuple(sorted(found.get(p, ()))) for p in wanted}


def routes(world: World, *, node_name: str = "node-1") -> Callable[[str], str]:
    """The node's routing table: pods by their links, its own addresses, everything else by `eth0`."""
    links = {
        a: ifname_of(p)
        for p in world.sorted(core.Pod)
        if p.spec.node_name == node_name and not p.finished
        for a in p.addresses
    }
    return lambda address: "" if address in {DNS, GATEWAY, address_of(node_name)} else links.get(address, "eth0")
