"""Network policy as the node needs it: per pod and side at most one policy set.

A pod without a set on a side is open on that side. A set is judged in the order of the network-policy API: rules of
tier Admin, the first that matches decides; then NetworkPolicy, which is final for a pod that some policy isolates; then
rules of tier Baseline; what is left is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

import msgspec

from tandem.base.ids import GroupId, PolicySetId
from tandem.base.problems import Origin


class Side(Enum):
    """Which direction of a pod's traffic a policy set judges."""

    INGRESS = "ingress"
    EGRESS = "egress"


class Verdict(Enum):
    """What a rule that matches says."""

    ACCEPT = "accept"
    DENY = "deny"
    PASS = "pass"  # noqa: S105 - no password
    """Leave the tier: what comes after it judges."""


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


class Domains(msgspec.Struct, frozen=True, kw_only=True, tag="domains"):
    """The addresses that the node has learned for these names; sorted, lower case, without the dot at the end.

    `*.` at the beginning stands for one or more labels.
    """

    patterns: tuple[str, ...]


Peer = Anyone | Cidr | Group | Domains


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Traffic with any of `peers` on any of `ports` gets `verdict`; `ports == ()` is every port of every protocol.

    Named ports are already numbers here (resolved per destination pod by translation).
    """

    peers: tuple[Peer, ...]
    ports: tuple[PortMatch, ...] = ()
    origin: Origin
    verdict: Verdict = Verdict.ACCEPT
    rejects: bool = False
    """A denial answers (reset, ICMP) in place of silence."""
    keeps: bool = False
    """A denial leaves connections alone that were established before it."""


class PolicySet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that judges one side of the pods that share it."""

    id: PolicySetId
    side: Side
    rules: tuple[Rule, ...]
    """Of NetworkPolicies that isolate: allows, in no order."""
    isolated_by: tuple[Origin, ...]
    """The NetworkPolicies that isolate; empty: NetworkPolicy says nothing, and `baseline` is asked."""
    admin: tuple[Rule, ...] = ()
    """Tier Admin, the first match decides."""
    baseline: tuple[Rule, ...] = ()
    """Tier Baseline, the first match decides."""
    closed: bool = False
    """Everything is denied after `admin`: by what is not known yet, or cannot be read."""
    rejects: bool = False
    """What isolation denies is answered: all of `isolated_by` ask for it."""
    keeps: bool = False
    """What isolation denies may go on if it was established before: all of `isolated_by` ask for it."""
    preview: PolicySetId | None = None
    """The set with the staged policies in force as well: it judges first packets, is recorded, and changes nothing."""


class AddressGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Sorted addresses (IPv4 and IPv6 text) of the pods that a peer selector matches now."""

    id: GroupId
    addresses: tuple[str, ...]


class PolicyIR(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of network policy for a set of pods: what `translate_policy` returns."""

    sets: Mapping[PolicySetId, PolicySet]
    groups: Mapping[GroupId, AddressGroup]
    ingress: Mapping[str, PolicySetId]
    """Pod uid -> its ingress set; absent: open."""
    egress: Mapping[str, PolicySetId]
    """Pod uid -> its egress set; absent: open."""


def every_rule(policy_set: PolicySet) -> tuple[Rule, ...]:
    """The rules of all tiers."""
    return (*policy_set.admin, *policy_set.rules, *policy_set.baseline)


def groups_of(rules: Iterable[Rule]) -> frozenset[GroupId]:
    """The groups that these rules refer to."""
    return frozenset(peer.id for rule in rules for peer in rule.peers if isinstance(peer, Group))
