"""Which pods policies mean: their subjects, and the address groups of their peers. Pure.

Host-network pods are the node: never selected, never matched. Finished pods no longer own their address.
The node's resolver counts as a pod of kube-system labelled `k8s-app: kube-dns`: the usual "allow DNS" policies work.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Final

import msgspec

from tandem.base.addresses import is_address
from tandem.base.digest import digest
from tandem.base.ids import GroupId
from tandem.ir.policy import AddressGroup
from tandem.model import core
from tandem.model.selectors import matches
from tandem.model.world import World
from tandem.translate.policy.draft import NodeSelector, PodSelector

DNS_NAMESPACE: Final = "kube-system"
DNS_LABELS: Final = {"k8s-app": "kube-dns"}
DNS_PORTS: Final = (("dns", "UDP", 53), ("dns-tcp", "TCP", 53))


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A pod as a peer: what selectors see of it, where it is, and its named ports (name, protocol, number)."""

    namespace: str
    labels: Mapping[str, str]
    addresses: tuple[str, ...]
    ports: tuple[tuple[str, str, int], ...] = ()


class Population:
    """The pods of a World, as policies see them."""

    def __init__(self, world: World, dns_addresses: tuple[str, ...]) -> None:
        self._world = world
        self._dns_addresses = dns_addresses

    @cached_property
    def subjects(self) -> Mapping[str, tuple[core.Pod, ...]]:
        """Pods that policies can isolate, by namespace, sorted by name."""
        found: dict[str, list[core.Pod]] = {}
        for pod in self._world.sorted(core.Pod):
            if is_subject(pod):
                found.setdefault(pod.metadata.namespace, []).append(pod)
        return {k: tuple(v) for k, v in found.items()}

    @cached_property
    def _alike(self) -> Mapping[str, tuple[tuple[core.Pod, ...], ...]]:
        """The same, in tuples of pods with equal labels: replicas are judged once."""
        found: dict[str, dict[tuple[tuple[str, str], ...], list[core.Pod]]] = {}
        for namespace, pods in self.subjects.items():
            for pod in pods:
                labels = tuple(sorted(pod.metadata.labels.items()))
                found.setdefault(namespace, {}).setdefault(labels, []).append(pod)
        return {k: tuple(tuple(pods) for pods in v.values()) for k, v in found.items()}

    def selected(self, selector: PodSelector) -> tuple[core.Pod, ...]:
        """The pods that a policy with this subject judges."""
        return tuple(
            pod
            for namespace in self._namespaces(selector)
            for pods in self._alike.get(namespace, ())
            if matches(selector.pods, pods[0].metadata.labels)
            for pod in pods
        )

    def _namespaces(self, selector: PodSelector) -> tuple[str, ...]:
        """The namespaces of pods that a selector means."""
        if selector.namespaces is None:
            return (selector.namespace,)
        return tuple(n for n in self.subjects if matches(selector.namespaces, self._labels_of(n)))

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Everything that selectors can match as a peer."""
        found = [
            Target(
                namespace=pod.metadata.namespace,
                labels=pod.metadata.labels,
                addresses=pod.addresses,
                ports=named_ports(pod),
            )
            for pods in self.subjects.values()
            for pod in pods
        ]
        dns = Target(namespace=DNS_NAMESPACE, labels=DNS_LABELS, addresses=self._dns_addresses, ports=DNS_PORTS)
        return (*found, dns)

    def select(self, selector: PodSelector) -> tuple[Target, ...]:
        """The targets that a selector of pods matches now."""
        return tuple(t for t in self.targets if self._matches(selector, t))

    def addresses(self, selector: PodSelector | NodeSelector) -> tuple[str, ...]:
        """The addresses that a selector means now."""
        if isinstance(selector, PodSelector):
            return tuple(a for t in self.select(selector) for a in t.addresses)
        nodes = (n for n in self._world.sorted(core.Node) if matches(selector.nodes, n.metadata.labels))
        # Of "the IPs present in the node.Status.Addresses field" (API docs): names are there as well.
        return tuple(a.address for n in nodes for a in n.status.addresses if is_address(a.address))

    def _matches(self, selector: PodSelector, target: Target) -> bool:
        if selector.namespaces is None:
            if target.namespace != selector.namespace:
                return False
        elif not matches(selector.namespaces, self._labels_of(target.namespace)):
            return False
        if selector.port is not None and selector.port not in target.ports:
            return False
        return matches(selector.pods, target.labels)

    def _labels_of(self, namespace: str) -> Mapping[str, str]:
        found = self._world.namespace_labels.get(namespace)
        return {"kubernetes.io/metadata.name": namespace} if found is None else found


def is_subject(pod: core.Pod) -> bool:
    """True for pods that policies can isolate, and that selectors match as peers."""
    return not pod.spec.host_network and not pod.finished


def named_ports(pod: core.Pod) -> tuple[tuple[str, str, int], ...]:
    """(name, protocol, number) of the named ports of a pod's containers."""
    return tuple(
        (port.name, port.protocol, port.container_port)
        for container in (*pod.spec.containers, *pod.spec.init_containers)
        for port in container.ports
        if port.name
    )


def group_id(selector: PodSelector | NodeSelector) -> GroupId:
    """The same selector is the same group, whatever it matches."""
    return GroupId(digest(msgspec.json.encode(selector, order="deterministic"), 12))


def address_group(selector: PodSelector | NodeSelector, addresses: Iterable[str]) -> AddressGroup:
    """The group of these addresses, in canonical form and order."""
    parsed = {ipaddress.ip_address(a) for a in addresses}
    ordered = sorted(parsed, key=lambda a: (a.version, int(a)))
    return AddressGroup(id=group_id(selector), addresses=tuple(str(a) for a in ordered))
