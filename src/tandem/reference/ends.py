"""The two ends of a packet as policies see them, and which peers they are. Written from the Kubernetes documentation.

A pod on the host's network is its node; a finished pod owns no address any more; the cluster's DNS counts as a pod of
kube-system with the label k8s-app=kube-dns.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

import msgspec

from tandem.model import core
from tandem.model.selectors import LabelSelector, matches
from tandem.model.world import World

DNS: Final = ("10.96.0.10",)
_DNS_NAMESPACE: Final = "kube-system"
_DNS_LABELS: Final = {"k8s-app": "kube-dns"}
_DNS_PORTS: Final = {("dns", "UDP"): (53,), ("dns-tcp", "TCP"): (53,)}
Key = tuple[str, str]


class End(msgspec.Struct, frozen=True, kw_only=True):
    """One end of the packet; `namespace` empty: not a pod.

    `ports` maps (name, protocol) of container ports to their numbers.
    """

    address: str
    namespace: str = ""
    labels: Mapping[str, str] = {}
    ports: Mapping[tuple[str, str], tuple[int, ...]] = {}
    pod: core.Pod | None = None
    is_node: bool = False

    @property
    def lives(self) -> bool:
        """A pod that has an address of its own (or the DNS server): what selectors of pods can mean."""
        return bool(self.namespace) and not (self.pod is not None and self.pod.finished)


def end_of(world: World, key: Key | None, address: str, dns_addresses: tuple[str, ...]) -> End:
    """The end that a pod or an address is; of a pod its first address is meant unless one is given."""
    pod = world.get(core.Pod, *key) if key else world.pod_at(address)
    if pod is None:
        if address in dns_addresses:
            return End(address=address, namespace=_DNS_NAMESPACE, labels=_DNS_LABELS, ports=_DNS_PORTS)
        return End(address=address, is_node=_is_node(world, address))
    if pod.spec.host_network:
        own = pod.status.host_ip or pod.status.pod_ip or next((p.ip for p in pod.status.pod_ips), "")
        return End(address=address or own, is_node=True)
    named: dict[tuple[str, str], tuple[int, ...]] = {}
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        for port in container.ports:
            if port.name:
                at = (port.name, port.protocol)
                named[at] = (*named.get(at, ()), port.container_port)
    return End(
        address=address or next(iter(pod.addresses), ""),
        namespace=pod.metadata.namespace,
        labels=pod.metadata.labels,
        ports=named,
        pod=pod,
    )


def lives_on(world: World, pod: core.Pod, end: End) -> bool:
    """Whether an end is the node of the pod."""
    node = world.get(core.Node, "", pod.spec.node_name)
    return node is not None and end.address in _speaking_from(node)


def is_selected(
    world: World, end: End, *, namespaces: LabelSelector | None, pods: LabelSelector | None, own: str = ""
) -> bool:
    """Whether selectors mean this end; `namespaces` None: pods of the namespace `own` only."""
    if not end.lives:
        return False
    if namespaces is None:
        if end.namespace != own:
            return False
    elif not matches(namespaces, labels_of(world, end.namespace)):
        return False
    return pods is None or matches(pods, end.labels)


def labels_of(world: World, namespace: str) -> Mapping[str, str]:
    """The labels of a namespace, with the one that the API server gives to each."""
    return world.namespace_labels.get(namespace, {"kubernetes.io/metadata.name": namespace})


def is_node_like(world: World, end: End, selector: LabelSelector) -> bool:
    """Whether an end has an address in the status of a node with such labels."""
    nodes = world.all(core.Node).values()
    return any(matches(selector, n.metadata.labels) and end.address in _own_addresses(n) for n in nodes)


def is_prefix(text: str) -> bool:
    """Whether it is a CIDR at all."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def is_inside(address: str, prefix: str) -> bool:
    """Whether an address is in a prefix; what is no prefix has nobody in it."""
    if not address:
        return False
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(prefix, strict=False)
    except ValueError:
        return False


def has_name(address: str, patterns: tuple[str, ...], names: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether some name that a pattern means has this address; `*.` stands for one or more labels."""
    return any(
        address in addresses and any(_is_named(name, pattern) for pattern in patterns)
        for name, addresses in names.items()
    )


def _is_named(name: str, pattern: str) -> bool:
    known, wanted = name.lower().rstrip("."), pattern.lower().rstrip(".")
    if not wanted.startswith("*."):
        return known == wanted
    return known.endswith(wanted[1:]) and len(known) > len(wanted[1:])


def _is_node(world: World, address: str) -> bool:
    return any(address in _speaking_from(n) for n in world.all(core.Node).values())


def _own_addresses(node: core.Node) -> list[str]:
    return [a.address for a in node.status.addresses]


def _speaking_from(node: core.Node) -> list[str]:
    """Its own, and the first of each of its pod prefixes: where it speaks to its pods from."""
    prefixes = node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())
    return [*_own_addresses(node), *(str(ipaddress.ip_network(p)[1]) for p in prefixes)]
