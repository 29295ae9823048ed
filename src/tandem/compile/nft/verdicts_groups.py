"""Rules about groups of pods, of one verdict -> what asks the groups of a packet's own port. Pure.

Groups are sets that all chains share: a pod that enters one is an element more. By its port a packet is led to a chain
with the groups of that port. Where these are many, or the ports are, they are asked as crowds (`crowds.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from tandem.compile.nft.crowds import Place, crowd, questions, shares
from tandem.compile.nft.matches import peer_matches
from tandem.compile.nft.verdicts_space import all_of
from tandem.compile.nft.verdicts_tables import Cell, tables
from tandem.compile.nft.writer import Answers, Writer
from tandem.ir.policy import Domains, Group, PortMatch, Rule, Side
from tandem.state import nft
from tandem.state.nft import Struct

FEW: Final = 16
"""As many nft rules, or groups of one port, are asked one by one: each takes a tenth of a microsecond at most."""
MANY: Final = 256
"""Ports with groups that no other has: a chain for each of more takes longer to load than packets gain by them."""


class Named(Struct, frozen=True):
    """Packets of addresses that change, to any of the rule's ports."""

    peer: Group | Domains
    rule: Rule


class Ports(Struct, frozen=True):
    """Ports of a protocol, and the numbers of the groups that they are for."""

    protocol: str
    first: int
    last: int
    groups: tuple[int, ...]


def by_port(writer: Writer, groups: list[Named], answers: Answers, *, side: Side, name: str) -> None:
    """One look-up leads to a chain with the groups of that port; equal ones are one chain."""
    writer.add(*_together(writer, [g for g in groups if not g.rule.ports], answers, side))
    chains: dict[tuple[int, ...], str] = {}
    cells: list[Cell] = []
    for ports in _with_port(writer, groups, _ports(groups), answers, side):
        chain = chains.setdefault(ports.groups, f"{name}-{ports.protocol}-{ports.first}")
        own = (PortMatch(protocol=ports.protocol, first=ports.first, last=ports.last),)
        cells.append(Cell(None, 0, own, nft.Goto(chain)))
    writer.ask(tables(cells, side=Side.INGRESS, name=name, then=(), comment="groups by port"))
    rest = f"{name}-rest"
    for numbers, chain in chains.items():
        lines = _together(writer, [groups[n] for n in numbers], answers, side)
        writer.aside(chain, (*lines, nft.Rule(then=(nft.Goto(rest),))))
    writer.turn(rest)


def _ports(groups: list[Named]) -> list[Ports]:
    """Without overlap."""
    ranges: dict[str, list[tuple[int, int, int]]] = {}
    for number, group in enumerate(groups):
        for port in group.rule.ports:
            ranges.setdefault(port.protocol.lower(), []).append((port.first, port.last, number))
    return [
        Ports(protocol, first, last, tuple(dict.fromkeys(numbers)))
        for protocol, given in sorted(ranges.items())
        for first, last, numbers in all_of(given)
    ]


def _with_port(writer: Writer, groups: list[Named], ports: list[Ports], answers: Answers, side: Side) -> list[Ports]:
    """Ask groups as crowds that know the port, if there are many ports; what is left to be asked about."""
    users = Counter(one.groups for one in ports)
    alone = {one for one in ports if one.first == one.last and users[one.groups] == 1 and len(one.groups) <= FEW}
    if len(alone) <= MANY:
        return ports
    places = Counter(groups[number].peer for one in alone for number in one.groups)
    said: dict[Place, Rule] = {}
    left: list[Ports] = []
    for one in ports:
        apart = []
        for number in one.groups:
            peer, rule = groups[number].peer, groups[number].rule
            if one in alone and isinstance(peer, Group) and places[peer] <= FEW:
                said.setdefault((peer.id, (one.protocol, one.first)), rule)
                if peer.id not in writer.large:
                    continue
            apart.append(number)
        if apart:
            left.append(Ports(one.protocol, one.first, one.last, tuple(apart)))
    for share in shares(said):
        writer.add(*_as_crowd(writer, {place: said[place] for place in share}, answers, side))
    return left


def _together(writer: Writer, groups: Iterable[Named], answers: Answers, side: Side) -> list[nft.Rule]:
    """What asks groups of the same ports, which the packet has: one by one, or as a few crowds."""
    first: dict[Group | Domains, Rule] = {}
    for one in groups:
        first.setdefault(one.peer, one.rule)
    said: dict[Place, Rule] = {(peer.id, ()): rule for peer, rule in first.items() if isinstance(peer, Group)}
    found: list[nft.Rule] = []
    if len(said) > FEW:
        apart = set(writer.large)
        for share in shares(said):
            if len(share) == 1:
                apart.update(group for group, _ in share)
            else:
                found += _as_crowd(writer, {place: said[place] for place in share}, answers, side)
        first = {peer: rule for peer, rule in first.items() if isinstance(peer, Domains) or peer.id in apart}
    return found + [answers.line(rule, match) for peer, rule in first.items() for match in peer_matches(peer, side)]


def _as_crowd(writer: Writer, said: dict[Place, Rule], answers: Answers, side: Side) -> list[nft.Rule]:
    data, then = {place: answers.datum(rule) for place, rule in said.items()}, answers.then
    if len(set(data.values())) == 1:
        data, then = dict.fromkeys(data), answers.line(next(iter(said.values())), ()).then
    behind = {str(rule.origin) for rule in said.values()}
    comment = f"{len(behind)} rules" if len(behind) > 1 else behind.pop()
    asked = crowd(data.items())
    writer.knows(asked)
    return questions(asked, side=side, then=then, comment=comment)
