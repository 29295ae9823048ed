"""What the rules of tiers Admin and Baseline say of a packet: a slow and obvious reading of the network-policy API.

Kinds: ClusterNetworkPolicy, and AdminNetworkPolicy and BaselineAdminNetworkPolicy, which are the same written
otherwise. Comes in: a World, two ends, a protocol and port. Goes out: for each rule that was looked at what it does.

"If an implementation sees no fields are set … it should fail closed. For Accept rules: treat the rule as matching no
traffic. For Deny and Pass rules: treat the rule as a Deny all rule" (API, ClusterNetworkPolicyEgressPeer).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from tandem.model.adminpolicy import (
    AdminEgressRule,
    AdminIngressRule,
    AdminNetworkPolicy,
    AdminPort,
    BaselineAdminNetworkPolicy,
)
from tandem.model.clusterpolicy import (
    ClusterEgressRule,
    ClusterIngressRule,
    ClusterNetworkPolicy,
    ClusterPeer,
    ClusterProtocol,
    Subject,
)
from tandem.model.selectors import LabelSelector, unknown_operator
from tandem.model.world import World
from tandem.reference.ends import End, has_name, is_inside, is_node_like, is_prefix, is_selected

TierPolicy = ClusterNetworkPolicy | AdminNetworkPolicy | BaselineAdminNetworkPolicy
_Rule = ClusterIngressRule | ClusterEgressRule | AdminIngressRule | AdminEgressRule
_EFFECTS: Final = {"Accept": "accepts", "Deny": "denies", "Pass": "passes"}
_OLDER_EFFECTS: Final = {"Allow": "accepts", "Deny": "denies", "Pass": "passes"}
_PROTOCOLS: Final = frozenset({"TCP", "UDP", "SCTP"})
_INGRESS_ONLY: Final = "a peer of `from` is namespaces or pods"


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """A packet on one side: its two ends, what it is, and the addresses that names have."""

    side: str
    subject: End
    peer: End
    protocol: str
    port: int
    names: Mapping[str, tuple[str, ...]]

    @property
    def destination(self) -> End:
        """Whose port it is."""
        return self.subject if self.side == "ingress" else self.peer


def policies_of(world: World, tier: str) -> tuple[TierPolicy, ...]:
    """The policies of a tier in the order in which they are asked: low priorities first, then by kind and name."""
    # A tier that nobody knows is taken for the one that cannot be overridden.
    known = {"Admin", "Baseline"}
    cluster = [
        p
        for p in world.all(ClusterNetworkPolicy).values()
        if (p.spec.tier if p.spec.tier in known else "Admin") == tier
    ]
    older: list[TierPolicy] = list(
        world.all(AdminNetworkPolicy).values() if tier == "Admin" else world.all(BaselineAdminNetworkPolicy).values()
    )
    return tuple(sorted([*cluster, *older], key=_order))


def _order(policy: TierPolicy) -> tuple[int, bool, str]:
    """Of equal priority any may come first (API, `priority`): ours are those of the newer kind, then by name."""
    # A BaselineAdminNetworkPolicy has no priority: there is one of them, asked after all others.
    priority = 1001 if isinstance(policy, BaselineAdminNetworkPolicy) else policy.spec.priority
    return priority, not isinstance(policy, ClusterNetworkPolicy), policy.metadata.name


def selects(world: World, policy: TierPolicy, end: End) -> bool:
    """Whether an end, a pod with an address of its own, is a subject of the policy; of an unreadable one each is."""
    if end.pod is None or not end.lives:
        return False
    subject = policy.spec.subject
    return not _is_readable(subject) or _is_pods(world, subject, end)


def _is_readable(subject: Subject) -> bool:
    """Exactly one field, with operators that are known."""
    return (subject.namespaces is None) != (subject.pods is None) and _are_sound(_selectors(subject))


def _is_placed(policy: TierPolicy) -> bool:
    """Its tier is one that is known: elsewhere an Accept might open what it should not."""
    return not isinstance(policy, ClusterNetworkPolicy) or policy.spec.tier in {"Admin", "Baseline"}


def _selectors(chosen: Subject | ClusterPeer) -> list[LabelSelector]:
    pods = chosen.pods
    return [
        *([chosen.namespaces] if chosen.namespaces is not None else []),
        *([pods.namespace_selector, pods.pod_selector] if pods is not None else []),
        *([chosen.nodes] if isinstance(chosen, ClusterPeer) and chosen.nodes is not None else []),
    ]


def _are_sound(selectors: list[LabelSelector]) -> bool:
    return not any(unknown_operator(s) for s in selectors)


def rulings(world: World, policy: TierPolicy, traffic: Traffic) -> Iterator[tuple[str, str, str]]:
    """(path, effect, reason) of its rules in order, up to the one that decides.

    Effects are `accepts`, `denies`, `passes` (these decide) and `no match`.
    """
    rules: tuple[_Rule, ...] = policy.spec.ingress if traffic.side == "ingress" else policy.spec.egress
    for i, rule in enumerate(rules):
        path = f"spec.{traffic.side}[{i}]" + (f' "{rule.name}"' if rule.name else "")
        effect, reason = _ruling(
            world, rule, traffic, readable=_is_readable(policy.spec.subject) and _is_placed(policy)
        )
        yield path, effect, reason
        if effect != "no match":
            return


def _ruling(world: World, rule: _Rule, traffic: Traffic, *, readable: bool) -> tuple[str, str]:
    older = isinstance(rule, AdminIngressRule | AdminEgressRule)
    effect = (_OLDER_EFFECTS if older else _EFFECTS).get(rule.action, "")
    wrong = (
        _unreadable(rule, traffic.side, effect)
        if readable
        else "whom the policy means, or where it stands, is not known"
    )
    if wrong:
        if effect == "accepts":
            return "no match", f"{wrong}: it accepts nothing"
        return "denies", f"{wrong}: it denies everything"
    if not any(_is_peer(world, peer, traffic) for peer in rule.peers):
        return "no match", f"{traffic.peer.address} is none of its peers"
    entries = _port_entries(rule)
    if entries and not any(_port_matches(entry, traffic) for entry in entries):
        return "no match", f"{traffic.protocol} {traffic.port} is none of its ports"
    return effect, ""


def _unreadable(rule: _Rule, side: str, effect: str) -> str:
    """Why a rule cannot be followed; empty: it can."""
    if not effect:
        return f"action {rule.action!r} is not known"
    if not rule.peers:
        return "it has no peers, and must have one"
    wrong = [found for peer in rule.peers if (found := _unreadable_peer(peer, side, effect))]
    if any(_is_unclear(entry) for entry in _port_entries(rule)):
        wrong.append("an entry of its ports is of no kind that is known")
    elif any(_name_of(entry) for entry in _port_entries(rule)) and not all(_of_pods(peer) for peer in rule.peers):
        wrong.append("it names a port of peers that have no names of ports")
    return wrong[0] if wrong else ""


def _unreadable_peer(peer: ClusterPeer, side: str, effect: str) -> str:
    wider = [peer.nodes is not None, bool(peer.networks), bool(peer.domain_names)]
    if sum((peer.namespaces is not None, peer.pods is not None, *wider)) != 1:
        return "a peer of it is of no kind that is known"
    if side == "ingress" and any(wider):
        return _INGRESS_ONLY
    if not _are_sound(_selectors(peer)) or not all(is_prefix(n) for n in peer.networks):
        return "a peer of it cannot be read"
    return "domainNames can only be accepted" if peer.domain_names and effect != "accepts" else ""


def _of_pods(peer: ClusterPeer) -> bool:
    return peer.namespaces is not None or peer.pods is not None


def _is_unclear(entry: ClusterProtocol | AdminPort) -> bool:
    """Not exactly one field, or numbers that no port has. "tcp", "udp" and "sctp" must say something of it."""
    if isinstance(entry, AdminPort):
        known = sum((entry.port_number is not None, entry.port_range is not None, bool(entry.named_port)))
    else:
        spoken = (entry.tcp is not None, entry.udp is not None, entry.sctp is not None)
        known = sum((*spoken, bool(entry.destination_named_port)))
    numbers = list(_numbers(entry))
    known += len(numbers) > 1
    sound = all(p in _PROTOCOLS and 1 <= first <= last <= 65535 for p, first, last in numbers)
    return known != 1 or not sound or (not numbers and not _name_of(entry))


def _name_of(entry: ClusterProtocol | AdminPort) -> str:
    return entry.named_port if isinstance(entry, AdminPort) else entry.destination_named_port


def _is_peer(world: World, peer: ClusterPeer, traffic: Traffic) -> bool:
    end = traffic.peer
    if _is_pods(world, peer, end):
        return True
    if peer.nodes is not None:
        return is_node_like(world, end, peer.nodes)
    if peer.networks:
        return any(is_inside(end.address, prefix) for prefix in peer.networks)
    return has_name(end.address, peer.domain_names, traffic.names)


def _is_pods(world: World, peer: Subject | ClusterPeer, end: End) -> bool:
    if peer.namespaces is not None:
        return is_selected(world, end, namespaces=peer.namespaces, pods=None)
    if peer.pods is not None:
        return is_selected(world, end, namespaces=peer.pods.namespace_selector, pods=peer.pods.pod_selector)
    return False


def _port_entries(rule: _Rule) -> tuple[ClusterProtocol | AdminPort, ...]:
    return rule.ports if isinstance(rule, AdminIngressRule | AdminEgressRule) else rule.protocols


def _port_matches(entry: ClusterProtocol | AdminPort, traffic: Traffic) -> bool:
    name = _name_of(entry)
    if name:
        return traffic.port in traffic.destination.ports.get((name, traffic.protocol), ())
    return any(
        protocol == traffic.protocol and first <= traffic.port <= last for protocol, first, last in _numbers(entry)
    )


def _numbers(entry: ClusterProtocol | AdminPort) -> Iterator[tuple[str, int, int]]:
    if isinstance(entry, AdminPort):
        if entry.port_number is not None:
            yield entry.port_number.protocol, entry.port_number.port, entry.port_number.port
        if entry.port_range is not None:
            yield entry.port_range.protocol, entry.port_range.start, entry.port_range.end
        return
    for protocol, found in (("TCP", entry.tcp), ("UDP", entry.udp), ("SCTP", entry.sctp)):
        if found is None:
            continue
        port = found.destination_port
        if port is not None and port.range is not None:
            yield protocol, port.range.start, port.range.end
        if port is not None and port.number is not None:
            yield protocol, port.number, port.number
