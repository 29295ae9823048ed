"""PolicySet -> the chain that judges it. Pure.

A chain holds the allow rules of its set and ends by reporting and dropping the packet. Peers that change with pods
are named sets (`names.group_set`), so that a new pod is an element and not a rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final, assert_never

from tandem.base.ids import GroupId, PolicySetId
from tandem.base.members import joined_as_before
from tandem.base.memo import each_as_before
from tandem.compile import names
from tandem.compile.nft.families import FAMILIES, Family, of_family, prefixes
from tandem.ir.node import AttachedPod, NodeView
from tandem.ir.policy import AddressGroup, Anyone, Cidr, Domains, Group, PolicySet, PortMatch, Rule, Side
from tandem.state import nft
from tandem.state.nft import Field

LOG_LIMIT: Final = nft.Limit(per_second=50, burst=100)
"""Drops reported to NFLOG per policy set; counters count them all."""
_EVERY_PORT: Final = nft.Range(0, 65535)
Matches = tuple[nft.Match, ...]


def log_prefix(policy_set: PolicySet) -> str:
    """What NFLOG says of a packet that this set dropped."""
    return f"{names.set_chain(policy_set.id)}/{policy_set.side.value}"


def policy_chain(policy_set: PolicySet) -> nft.Chain:
    """The chain of a policy set: what no rule accepts is logged (rate-limited), counted and dropped."""
    rules: list[nft.Rule] = []
    # What the source's side allows is judged by the destination's in the same base chain.
    allow = nft.Return() if policy_set.side is Side.EGRESS else nft.Accept()
    for rule in policy_set.rules:
        comment = str(rule.origin)
        for peer in _peer_matches(rule, policy_set.side):
            rules += [
                nft.Rule(match=(*peer, *ports), then=(allow,), comment=comment) for ports in port_matches(rule.ports)
            ]
    rules += [
        nft.Rule(then=(LOG_LIMIT, nft.Log(log_prefix(policy_set)))),
        nft.Rule(then=(nft.Counter(), nft.Drop())),
    ]
    return nft.Chain(name=names.set_chain(policy_set.id), rules=tuple(rules))


policy_chains: Final = each_as_before(policy_chain)


def _peer_matches(rule: Rule, side: Side) -> Iterator[Matches]:
    for peer in rule.peers:
        match peer:
            case Anyone():
                yield ()
            case Group(id=group):
                for family in FAMILIES:
                    yield (nft.InSet((_peer_field(family, side),), names.group_set(group, family.version)),)
            case Cidr():
                yield from _cidr_matches(peer, side)
            case Domains(patterns=patterns):
                for family in FAMILIES:
                    yield (nft.InSet((_peer_field(family, side),), names.domain_set(patterns, family.version)),)
            case _:
                assert_never(peer)


def _cidr_matches(peer: Cidr, side: Side) -> Iterator[Matches]:
    for family in FAMILIES:
        wanted = prefixes([peer.prefix], family)
        without = prefixes(peer.excepts, family)
        if not wanted or set(wanted) & set(without) or any(p.length == 0 for p in without):
            continue
        field = _peer_field(family, side)
        where: nft.Match = nft.Is(field, wanted[0])
        if wanted[0].length == 0:  # "every address of the family" has no prefix to compare
            where = nft.Is(Field.NFPROTO, family.nfproto)
        yield (where, nft.OneOf(field, without, negate=True)) if without else (where,)


def _peer_field(family: Family, side: Side) -> Field:
    return family.saddr if side is Side.INGRESS else family.daddr


def port_matches(ports: tuple[PortMatch, ...]) -> list[Matches]:
    """One match tuple per protocol; no ports at all is every packet, ICMP included."""
    if not ports:
        return [()]
    found: list[Matches] = []
    for protocol in sorted({p.protocol for p in ports}):
        ranges = merged((p.first, p.last) for p in ports if p.protocol == protocol)
        proto = nft.Is(Field.L4PROTO, protocol.lower())
        if ranges == (_EVERY_PORT,):
            found.append((proto,))
        else:
            values = tuple(r.first if r.first == r.last else r for r in ranges)
            found.append((proto, nft.OneOf(Field.DPORT, values)))
    return found


def merged(ranges: Iterable[tuple[int, int]]) -> tuple[nft.Range, ...]:
    """The same numbers in as few sorted ranges as possible: interval sets refuse overlaps."""
    result: list[nft.Range] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1].last + 1:
            result[-1] = nft.Range(result[-1].first, max(last, result[-1].last))
        else:
            result.append(nft.Range(first, last))
    return tuple(result)


def used_sets(view: NodeView) -> tuple[PolicySet, ...]:
    """The policy sets of this node's pods, sorted by id.

    A set that has not arrived yet is there with no rules: closed, not open.
    """
    ingress, egress = _set_ids(view.pods)
    wanted = dict.fromkeys(ingress, Side.INGRESS) | dict.fromkeys(egress, Side.EGRESS)
    return tuple(
        view.sets.get(s) or PolicySet(id=s, side=wanted[s], rules=(), isolated_by=(), closed=True)
        for s in sorted(wanted)
    )


@partial(joined_as_before, width=2)
def _set_ids(attached: AttachedPod) -> tuple[frozenset[PolicySetId], ...]:
    """Of each side."""
    return tuple(frozenset([s] if s is not None else ()) for s in (attached.pod.ingress, attached.pod.egress))


def group_sets(view: NodeView, used: tuple[PolicySet, ...]) -> list[nft.Set]:
    """One set per family for each group that a used policy set refers to; a group not known here yet is empty."""
    ids = sorted(frozenset[GroupId]().union(*_groups(used)))
    groups = (view.groups.get(group) or AddressGroup(id=group, addresses=()) for group in ids)
    return [made for both in _group_sets(groups) for made in both]


@each_as_before
def _groups(policy_set: PolicySet) -> frozenset[GroupId]:
    return frozenset(peer.id for rule in policy_set.rules for peer in rule.peers if isinstance(peer, Group))


@each_as_before
def _group_sets(group: AddressGroup) -> tuple[nft.Set, ...]:
    return tuple(
        nft.Set(
            name=names.group_set(group.id, family.version),
            type=(family.type,),
            elements=frozenset((a,) for a in of_family(group.addresses, family)),
        )
        for family in FAMILIES
    )
