"""What is legal in a policy of the tiers, and hardly meant: rules that no packet reaches, and DNS denied. Pure.

Of one policy alone: what others say before or after it is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tandem.ir.policy import Anyone, Cidr, Domains, PortMatch, Verdict
from tandem.model.selectors import LabelSelector, matches
from tandem.translate.policy.draft import Clause, ClausePeer, NodeSelector, PodSelector

_DNS_NAMESPACE: Final = {"kubernetes.io/metadata.name": "kube-system"}
_DNS_LABELS: Final = {"k8s-app": "kube-dns"}
_EVERYTHING: Final = frozenset({Cidr(prefix="0.0.0.0/0"), Cidr(prefix="::/0")})


def unreachable(clauses: Sequence[Clause]) -> Iterator[tuple[Clause, Clause]]:
    """(a clause, one before it that matches all that it matches)."""
    for i, late in enumerate(clauses):
        for early in clauses[:i]:
            if _covers_ports(early, late) and all(_covered(p, early.peers) for p in late.peers):
                yield late, early
                break


def denies_dns(clauses: Sequence[Clause]) -> Clause | None:
    """The clause by which pods may not ask for names, if that is what egress clauses in this order do."""
    for clause in clauses:
        if _is_dns_port(clause) and any(_may_be_dns(p) for p in clause.peers):
            return clause if clause.verdict is Verdict.DENY else None
    return None


def _covers_ports(early: Clause, late: Clause) -> bool:
    if early.every_port:
        return True
    if late.every_port:
        return False
    return set(late.names) <= set(early.names) and all(_in_one_of(p, early.ports) for p in late.ports)


def _in_one_of(match: PortMatch, ports: Sequence[PortMatch]) -> bool:
    return any(p.protocol == match.protocol and p.first <= match.first and match.last <= p.last for p in ports)


def _covered(peer: ClausePeer, peers: Sequence[ClausePeer]) -> bool:
    if peer in peers or any(isinstance(p, Anyone) for p in peers):
        return True
    if {p for p in peers if isinstance(p, Cidr)} >= _EVERYTHING:
        return not isinstance(peer, Anyone)
    if isinstance(peer, PodSelector):
        whole = PodSelector(namespaces=peer.namespaces)
        return any(p in (whole, PodSelector(namespaces=LabelSelector())) for p in peers)
    return isinstance(peer, NodeSelector) and NodeSelector(nodes=LabelSelector()) in peers


def _is_dns_port(clause: Clause) -> bool:
    dns = PortMatch(protocol="UDP", first=53, last=53)
    return clause.every_port or _in_one_of(dns, clause.ports)


def _may_be_dns(peer: ClausePeer) -> bool:
    match peer:
        case Anyone():
            return True
        case PodSelector(namespaces=LabelSelector() as namespaces, pods=pods):
            return matches(namespaces, _DNS_NAMESPACE) and matches(pods, _DNS_LABELS)
        case Cidr():
            return peer in _EVERYTHING
        case Domains() | NodeSelector() | PodSelector():
            return False
