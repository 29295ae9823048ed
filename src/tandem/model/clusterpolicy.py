"""policy.networking.k8s.io ClusterNetworkPolicy, v1alpha2 and v1beta1: one form, they differ in what they refuse.

Emptiness, settled here: absent, null and `[]` are one thing. A peer, subject or protocol of which no field is set is of
a newer version of the API than ours (API docs, ClusterNetworkPolicy), and kept, as is a missing tier or action:
translation fails closed on it.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from tandem.model.meta import Model, Object, Status
from tandem.model.selectors import LabelSelector

DOMAIN_NAME: Final = re.compile(r"(\*\.)?(\w([-\w]*[a-zA-Z0-9])?\.)+\w([-\w]*[a-zA-Z0-9])?\.?", re.ASCII)
"""A name of `domainNames`; `*.` at its beginning stands for one or more labels."""


class NamespacedPods(Model, frozen=True, kw_only=True):
    """NamespacedPod: pods that match, in namespaces that match."""

    namespace_selector: LabelSelector = LabelSelector()
    pod_selector: LabelSelector = LabelSelector()


class Subject(Model, frozen=True, kw_only=True):
    """spec.subject: exactly one is set; host-network pods are never meant."""

    namespaces: LabelSelector | None = None
    pods: NamespacedPods | None = None


class PortRange(Model, frozen=True, kw_only=True):
    """Both ends are in the range."""

    start: int
    end: int


class DestinationPort(Model, frozen=True, kw_only=True):
    """Port: a number or a range."""

    number: int | None = None
    range: PortRange | None = None


class OfProtocol(Model, frozen=True, kw_only=True):
    """What is matched of TCP, UDP or SCTP."""

    destination_port: DestinationPort | None = None


class ClusterProtocol(Model, frozen=True, kw_only=True):
    """One entry of `protocols`: exactly one is set."""

    tcp: OfProtocol | None = None
    udp: OfProtocol | None = None
    sctp: OfProtocol | None = None
    destination_named_port: str = ""


class ClusterPeer(Model, frozen=True, kw_only=True):
    """One entry of `from` or `to`: exactly one is set. `from` knows `namespaces` and `pods` only."""

    namespaces: LabelSelector | None = None
    pods: NamespacedPods | None = None
    nodes: LabelSelector | None = None
    networks: tuple[str, ...] = ()
    domain_names: tuple[str, ...] = ()


class ClusterIngressRule(Model, frozen=True, kw_only=True):
    """spec.ingress[]."""

    action: str = ""
    name: str = ""
    peers: tuple[ClusterPeer, ...] = msgspec.field(name="from", default=())
    protocols: tuple[ClusterProtocol, ...] = ()


class ClusterEgressRule(Model, frozen=True, kw_only=True):
    """spec.egress[]."""

    action: str = ""
    name: str = ""
    peers: tuple[ClusterPeer, ...] = msgspec.field(name="to", default=())
    protocols: tuple[ClusterProtocol, ...] = ()


class ClusterNetworkPolicySpec(Model, frozen=True, kw_only=True):
    """spec; low priorities come first, rules in the order of their lists."""

    tier: str = ""
    priority: int = 0
    subject: Subject = Subject()
    ingress: tuple[ClusterIngressRule, ...] = ()
    egress: tuple[ClusterEgressRule, ...] = ()


class ClusterNetworkPolicy(Object, frozen=True, kw_only=True):
    """policy.networking.k8s.io ClusterNetworkPolicy."""

    spec: ClusterNetworkPolicySpec = ClusterNetworkPolicySpec()
    status: Status = Status()
