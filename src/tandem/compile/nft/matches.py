"""Peers and ports of a rule -> what an nft rule looks at. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from tandem.compile import names
from tandem.compile.nft.families import FAMILIES, Family, prefixes
from tandem.compile.nft.verdicts_tables import EVERY_PORT
from tandem.ir.policy import Anyone, Cidr, Domains, Group, Peer, PortMatch, Side
from tandem.state import nft
from tandem.state.nft import Field

Matches = tuple[nft.Match, ...]


def peer_matches(peer: Peer, side: Side) -> Iterator[Matches]:
    """One match tuple per family, or whatever the peer takes; any of them is the peer."""
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
        if ranges == (EVERY_PORT,):
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
