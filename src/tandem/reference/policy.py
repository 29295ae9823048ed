"""May this packet pass? A slow and obvious evaluator of NetworkPolicy, written from the Kubernetes documentation.

Comes in: a World and a Packet. Goes out: a Decision with every policy and rule that was considered. It is the oracle of
the property tests and the engine of `tandem explain`; it shares no code with translation or compilation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.policy import EgressRule, IngressRule, IpBlock, NetworkPolicy, PolicyPeer, PolicyPort
from tandem.model.selectors import LabelSelector, matches
from tandem.model.world import World

_DNS_NAMESPACE: Final = "kube-system"
_DNS_LABELS: Final = {"k8s-app": "kube-dns"}
_DNS_PORTS: Final = {("dns", "UDP"): 53, ("dns-tcp", "TCP"): 53}
Key = tuple[str, str]


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """The first packet of a connection, after Service translation.

    Each end is a pod (namespace, name) or an address; with a pod, its first address is meant unless one is given.
    `protocol` is TCP, UDP, SCTP or ICMP; `port` is the destination port.
    """

    source: str = ""
    destination: str = ""
    source_pod: Key | None = None
    destination_pod: Key | None = None
    protocol: str = "TCP"
    port: int = 0


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was considered, in order. JSON-ready; `kind`, `namespace`, `name`, `path`, `source` as in Origin.

    `side` is egress (of the source) or ingress (of the destination); `effect` is `isolates`, `allows`, `no match`,
    `default allow`, `default deny` or `exempt`.
    """

    side: str
    effect: str
    kind: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    source: str = ""
    reason: str = ""

    @property
    def origin(self) -> Origin:
        """The manifest that the step is about."""
        return Origin(kind=self.kind, namespace=self.namespace, name=self.name, path=self.path, source=self.source)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict and how it came about; `denied_by` is the side that said no first (egress before ingress)."""

    allowed: bool
    steps: tuple[Step, ...]
    denied_by: str = ""


class _End(msgspec.Struct, frozen=True, kw_only=True):
    """One end of the packet as policies see it; `namespace` empty: not a pod."""

    address: str
    namespace: str = ""
    labels: Mapping[str, str] = {}
    ports: Mapping[tuple[str, str], tuple[int, ...]] = {}
    pod: core.Pod | None = None
    is_node: bool = False


def decide(world: World, packet: Packet, *, dns_addresses: tuple[str, ...] = ("10.96.0.10",)) -> Decision:
    """Both ends must allow it: egress policies of the source pod and ingress policies of the destination pod."""
    source = _end(world, packet.source_pod, packet.source, dns_addresses)
    destination = _end(world, packet.destination_pod, packet.destination, dns_addresses)
    if source.pod is not None and destination.pod is not None and source.pod.key == destination.pod.key:
        return Decision(
            allowed=True, steps=(Step(side="egress", effect="exempt", reason="a pod may always reach itself"),)
        )
    egress_allowed, egress = _judge(world, packet, "egress", subject=source, peer=destination)
    if destination.pod is not None and source.is_node and _node_of(world, source, destination.pod):
        note = Step(side="ingress", effect="exempt", reason="a node may always reach its own pods (kubelet probes)")
        return Decision(allowed=True, steps=(*egress, note))
    ingress_allowed, ingress = _judge(world, packet, "ingress", subject=destination, peer=source)
    denied_by = "" if egress_allowed and ingress_allowed else "ingress" if egress_allowed else "egress"
    return Decision(allowed=not denied_by, steps=(*egress, *ingress), denied_by=denied_by)


def _end(world: World, key: Key | None, address: str, dns_addresses: tuple[str, ...]) -> _End:
    pod = world.get(core.Pod, *key) if key else _owner(world, address)
    if pod is None:
        if address in dns_addresses:
            ports = {name: (number,) for name, number in _DNS_PORTS.items()}
            return _End(address=address, namespace=_DNS_NAMESPACE, labels=_DNS_LABELS, ports=ports)
        return _End(address=address, is_node=_is_node(world, address))
    if pod.spec.host_network:
        return _End(address=address or pod.status.host_ip or pod.status.pod_ip, is_node=True)
    named: dict[tuple[str, str], tuple[int, ...]] = {}
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        for port in container.ports:
            if port.name:
                at = (port.name, port.protocol)
                named[at] = (*named.get(at, ()), port.container_port)
    return _End(
        address=address or next(iter(pod.addresses), ""),
        namespace=pod.metadata.namespace,
        labels=pod.metadata.labels,
        ports=named,
        pod=pod,
    )


def _owner(world: World, address: str) -> core.Pod | None:
    for pod in world.sorted(core.Pod):
        if not pod.finished and address in pod.addresses:
            return pod
    return None


def _is_node(world: World, address: str) -> bool:
    return any(address in _node_addresses(n) for n in world.sorted(core.Node))


def _node_of(world: World, end: _End, pod: core.Pod) -> bool:
    node = world.get(core.Node, "", pod.spec.node_name)
    return node is not None and end.address in _node_addresses(node)


def _node_addresses(node: core.Node) -> list[str]:
    """Its own, and the first of each of its pod prefixes: where it speaks to its pods from."""
    prefixes = node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())
    return [*(a.address for a in node.status.addresses), *(str(ipaddress.ip_network(p)[1]) for p in prefixes)]


def _judge(world: World, packet: Packet, side: str, *, subject: _End, peer: _End) -> tuple[bool, tuple[Step, ...]]:
    """A pod that no policy selects is open; a selected one gets what some rule allows, and nothing else."""
    if subject.pod is None or subject.pod.finished:
        return True, (Step(side=side, effect="default allow", reason=f"{subject.address or 'it'} is no pod here"),)
    steps: list[Step] = []
    isolated = allowed = False
    for policy in world.sorted(NetworkPolicy):
        if not _selects(policy, subject.pod, side):
            continue
        isolated = True
        steps.append(_step(policy.origin(f"spec.{side}"), side, "isolates"))
        for path, holds, reason in _rules(world, policy, side, packet=packet, ends=(subject, peer)):
            allowed = allowed or holds
            steps.append(_step(policy.origin(path), side, "allows" if holds else "no match", reason))
    if not isolated:
        steps.append(Step(side=side, effect="default allow", reason=f"no policy isolates the pod for {side}"))
        return True, tuple(steps)
    if not allowed:
        steps.append(Step(side=side, effect="default deny", reason="isolated, and no rule allows it"))
    return allowed, tuple(steps)


def _step(origin: Origin, side: str, effect: str, reason: str = "") -> Step:
    return Step(
        side=side,
        effect=effect,
        kind=origin.kind,
        namespace=origin.namespace,
        name=origin.name,
        path=origin.path,
        source=origin.source,
        reason=reason,
    )


def _selects(policy: NetworkPolicy, pod: core.Pod, side: str) -> bool:
    types = set(policy.spec.policy_types)
    if not types:  # "Ingress always, Egress if the policy has any egress rules"
        types = {"Ingress"} | ({"Egress"} if policy.spec.egress else set())
    return (
        side.capitalize() in types
        and policy.metadata.namespace == pod.metadata.namespace
        and matches(policy.spec.pod_selector, pod.metadata.labels)
    )


def _rules(
    world: World, policy: NetworkPolicy, side: str, *, packet: Packet, ends: tuple[_End, _End]
) -> Iterator[tuple[str, bool, str]]:
    subject, peer = ends
    destination = subject if side == "ingress" else peer
    rules: tuple[IngressRule | EgressRule, ...] = policy.spec.ingress if side == "ingress" else policy.spec.egress
    for i, rule in enumerate(rules):
        path = f"spec.{side}[{i}]"
        by_address = not rule.peers
        by_label = not rule.peers
        for wanted in rule.peers:
            if wanted.ip_block is not None:
                by_address = by_address or _in_block(wanted.ip_block, peer.address)
            elif _is_selected(world, wanted, policy.metadata.namespace, peer):
                by_label = True
        if not by_address and not by_label:
            yield path, False, f"{peer.address} is none of its peers"
        elif not rule.ports:
            yield path, True, ""
        else:
            # A port's name is a pod's: through an ipBlock, only numbers match (egress).
            named = side == "ingress" or by_label
            holds = any(_port_matches(p, packet, destination, named=named) for p in rule.ports)
            yield path, holds, "" if holds else f"{packet.protocol} {packet.port} is none of its ports"


def _is_selected(world: World, peer: PolicyPeer, namespace: str, end: _End) -> bool:
    if not end.namespace or (end.pod is not None and end.pod.finished):
        return False
    if peer.pod_selector is None and peer.namespace_selector is None:
        return False
    if peer.namespace_selector is None:
        if end.namespace != namespace:
            return False
    else:
        labels = world.namespace_labels.get(end.namespace, {"kubernetes.io/metadata.name": end.namespace})
        if not matches(peer.namespace_selector, labels):
            return False
    return matches(peer.pod_selector or LabelSelector(), end.labels)


def _in_block(block: IpBlock, address: str) -> bool:
    if not address:
        return False
    try:
        where = ipaddress.ip_address(address)
        inside = where in ipaddress.ip_network(block.cidr, strict=False)
        return inside and not any(where in ipaddress.ip_network(e, strict=False) for e in block.excepts)
    except ValueError:  # not a prefix: matches nobody
        return False


def _port_matches(port: PolicyPort, packet: Packet, destination: _End, *, named: bool) -> bool:
    if port.protocol != packet.protocol:
        return False
    if port.port is None:
        return True
    if isinstance(port.port, str):
        numbers = destination.ports.get((port.port, port.protocol), ())
        return named and port.end_port is None and packet.port in numbers
    last = port.port if port.end_port is None else port.end_port
    return port.port <= packet.port <= last
