"""Network policy as the node needs it: per pod and side at most one policy set, made of allow rules.

A pod without a set on a side is open on that side. A pod with a set is isolated: what no rule allows is dropped.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from tandem.base.ids import GroupId, PolicySetId
from tandem.base.problems import Origin


class Side(Enum):
    """Which direction of a pod's traffic a policy set judges."""

    INGRESS = "ingress"
    EGRESS = "egress"


class Protocol(Enum):
    """L4 protocols that NetworkPolicy and Service know."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class PortMatch(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A protocol and an inclusive range of destination ports; 0-65535 is every port of the protocol."""

    protocol: str
    first: int = 0
    last: int = 65535


class Anyone(msgspec.Struct, frozen=True, tag="anyone"):
    """Every address, inside the cluster and outside."""


class Cidr(msgspec.Struct, frozen=True, kw_only=True, tag="cidr"):
    """An ipBlock: `prefix` less `excepts`, each in canonical text form."""

    prefix: str
    excepts: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True, kw_only=True, tag="group"):
    """The addresses of an AddressGroup: pods that a selector matches now."""

    id: GroupId


Peer = Anyone | Cidr | Group


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Allow: traffic with any of `peers` on any of `ports`; `ports == ()` is every port of every protocol.

    Named ports are already numbers here (resolved per destination pod by translation).
    """

    peers: tuple[Peer, ...]
    ports: tuple[PortMatch, ...] = ()
    origin: Origin


class PolicySet(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that judges one side of the pods that share it. `isolated_by` names the policies that select them."""

    id: PolicySetId
    side: Side
    rules: tuple[Rule, ...]
    isolated_by: tuple[Origin, ...]


class AddressGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Sorted addresses (IPv4 and IPv6 text) of the pods that a peer selector matches now."""

    id: GroupId
    addresses: tuple[str, ...]


class PolicyIR(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of network policy for a set of pods: what `translate_policy` returns."""

    sets: dict[PolicySetId, PolicySet]
    groups: dict[GroupId, AddressGroup]
    ingress: dict[str, PolicySetId]
    """Pod uid -> its ingress set; absent: not isolated."""
    egress: dict[str, PolicySetId]
    """Pod uid -> its egress set; absent: not isolated."""
