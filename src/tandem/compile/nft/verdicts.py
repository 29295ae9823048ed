"""Rules of one verdict, in no order among themselves -> nft rules and tables that judge a packet. Pure.

A few are one nft rule each, as people would write them. More become tables (`verdicts_tables.py`). Groups of pods stay
the sets that all share, and are found by port where there are many: a packet meets those of its own port. Where these
are many, too, they are asked as crowds (`crowds.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, assert_never

from tandem.base.ids import GroupId
from tandem.compile import names
from tandem.compile.nft.crowds import Crowd, crowd, questions, shares
from tandem.compile.nft.families import FAMILIES, Family, prefixes
from tandem.compile.nft.verdicts_space import all_of, difference
from tandem.compile.nft.verdicts_tables import EVERY_PORT, Cell, Datum, Table, tables
from tandem.ir.policy import Anyone, Cidr, Domains, Group, Peer, PortMatch, Rule, Side, Verdict
from tandem.state import nft
from tandem.state.nft import Field, Struct

FEW: Final = 16
"""As many nft rules, or groups of one port, are asked one by one: each takes a tenth of a microsecond at most."""
PARTS: Final = 160
"""An ipBlock whose exceptions cut it into more prefixes than this is a rule of its own."""
Matches = tuple[nft.Match, ...]


class Answers(Struct, frozen=True, kw_only=True):
    """How a packet that a rule has is answered. A denial goes to the chain of its rule, which logs, counts and ends."""

    then: tuple[nft.Statement, ...]
    """What an allow or a pass does, a verdict last."""
    counted: bool = False
    """The rule's counter counts what it allows."""
    staged: bool = False
    """Nothing is denied, only told."""

    def datum(self, rule: Rule) -> Datum:
        """What a table says of this rule's packets."""
        if rule.verdict is Verdict.DENY:
            return nft.Goto(names.denied((rule.origin,), staged=self.staged))
        return (names.allowed(rule.origin),) if self.counted else None

    def line(self, rule: Rule, match: Matches) -> nft.Rule:
        """An nft rule that stands for `rule` alone."""
        datum = self.datum(rule)
        then: tuple[nft.Statement, ...] = self.then
        if isinstance(datum, nft.Goto):
            then = (datum,)
        elif datum is not None:
            then = (nft.Counter(str(datum[0])), *self.then)
        return nft.Rule(match=match, then=then, comment=str(rule.origin))


class Written(Struct, frozen=True, kw_only=True):
    """Chains, tables and counters, and the crowds that they ask."""

    rules: nft.Ruleset
    crowds: tuple[Crowd, ...] = ()

    def groups(self) -> frozenset[GroupId]:
        """Those that are asked by a set of their own."""
        sets = (m.name for chain in self.rules.chains for r in chain.rules for m in r.match if isinstance(m, nft.InSet))
        return frozenset(group for name in sets if (group := names.group_of(name)) is not None)


class Writer:
    """Chains and tables in the making. Rules are added to the chain in hand, which begins as the first.

    `large`: the groups that no crowd has.
    """

    def __init__(self, name: str, large: frozenset[GroupId] = frozenset()) -> None:
        self.name = name
        self.large = large
        self._chains: dict[str, list[nft.Rule]] = {name: []}
        self._here = name
        self._tables: list[Table] = []
        self._crowds: dict[str, Crowd] = {}

    def add(self, *rules: nft.Rule) -> None:
        """Append to the chain in hand."""
        self._chains[self._here] += rules

    def ask(self, found: Iterable[Table]) -> None:
        """Append the rules that ask these tables."""
        for table in found:
            self._tables.append(table)
            self.add(table.rule)

    def knows(self, asked: Crowd) -> None:
        """Rules ask this crowd."""
        self._crowds[asked.name] = asked

    def aside(self, name: str, rules: Iterable[nft.Rule]) -> None:
        """A chain that rules or tables go to."""
        self._chains[name] = list(rules)

    def turn(self, name: str) -> None:
        """Go on in a chain of this name: what is written from here on can be gone to."""
        self.add(nft.Rule(then=(nft.Goto(name),)))
        self._chains[name] = []
        self._here = name

    def written(self) -> Written:
        """All of it, with the counters that it names."""
        chains = tuple(nft.Chain(name=name, rules=tuple(rules)) for name, rules in self._chains.items())
        parts = [table.container for table in self._tables]
        crowds = tuple(self._crowds.values())
        rules = nft.ruleset(
            chains=chains,
            sets=tuple(part for part in parts if isinstance(part, nft.Set)),
            maps=tuple(part for part in parts if isinstance(part, nft.Map)),
            counters=frozenset(_counters(chains, parts, crowds)),
        )
        return Written(rules=rules, crowds=crowds)


def _counters(
    chains: Iterable[nft.Chain], parts: Iterable[nft.Set | nft.Map], crowds: Iterable[Crowd]
) -> Iterator[str]:
    for chain in chains:
        for rule in chain.rules:
            yield from (s.name for s in rule.then if isinstance(s, nft.Counter) and s.name)
    for part in parts:
        if isinstance(part, nft.Map) and part.data == ("counter",):
            yield from (str(data[0]) for _, data in part.elements if isinstance(data, tuple))
    for asked in crowds:
        yield from (str(datum[0]) for _, datum in asked.said if isinstance(datum, tuple))


class _Named(Struct, frozen=True):
    """Packets of addresses that change, to any of the rule's ports."""

    peer: Group | Domains
    rule: Rule


def write(writer: Writer, rules: tuple[Rule, ...], answers: Answers, *, side: Side, name: str) -> None:
    """Judge by `rules`, all of one verdict; what none of them has goes on. `name` begins the names of tables."""
    few = tuple(islice(_lines(rules, answers, side), FEW + 1))
    if len(few) <= FEW:
        writer.add(*few)
        return
    cells: list[Cell] = []
    groups: list[_Named] = []
    alone: list[nft.Rule] = []
    everyone: list[nft.Rule] = []
    for rule in rules:
        for peer in rule.peers:
            if isinstance(peer, Group | Domains):
                groups.append(_Named(peer, rule))
            elif isinstance(peer, Anyone) and not rule.ports:
                everyone.append(answers.line(rule, ()))
            elif (found := _cells(peer, rule, answers)) is not None:
                cells += found
            else:
                one = _lines((rule,), answers, side, peers=(peer,))
                alone += one
    writer.ask(tables(cells, side=side, name=name, then=answers.then, comment=_comment(len(rules))))
    writer.add(*alone)
    if len(groups) * len(FAMILIES) > FEW:
        _by_port(writer, groups, answers, side=side, name=f"{name}-g")
    else:
        writer.add(*(line for g in groups for line in _lines((g.rule,), answers, side, peers=(g.peer,))))
    writer.add(*everyone)


def _comment(rules: int) -> str:
    return f"{rules} rules"


def _cells(peer: Anyone | Cidr, rule: Rule, answers: Answers) -> list[Cell] | None:
    """None for a block in too many pieces."""
    datum = answers.datum(rule)
    if isinstance(peer, Anyone):
        return [Cell(None, 0, rule.ports, datum)]
    found = [
        Cell(prefix, family.version, rule.ports, datum)
        for family in FAMILIES
        for prefix in difference(peer.prefix, peer.excepts, family)
    ]
    return found if len(found) <= PARTS else None


def _lines(
    rules: Iterable[Rule], answers: Answers, side: Side, *, peers: tuple[Peer, ...] | None = None
) -> Iterator[nft.Rule]:
    for rule in rules:
        for peer in rule.peers if peers is None else peers:
            for match in _peer_matches(peer, side):
                for ports in port_matches(rule.ports):
                    yield answers.line(rule, (*match, *ports))


def _by_port(writer: Writer, groups: list[_Named], answers: Answers, *, side: Side, name: str) -> None:
    """One look-up leads to a chain with the groups of that port; equal ones are one chain."""
    ranges: dict[str, list[tuple[int, int, int]]] = {}
    for number, group in enumerate(groups):
        for port in group.rule.ports:
            ranges.setdefault(port.protocol.lower(), []).append((port.first, port.last, number))
    writer.add(*_together(writer, [g for g in groups if not g.rule.ports], answers, side))
    chains: dict[tuple[int, ...], str] = {}
    cells: list[Cell] = []
    for protocol, given in sorted(ranges.items()):
        for first, last, numbers in all_of(given):
            unique = tuple(dict.fromkeys(numbers))
            chain = chains.setdefault(unique, f"{name}-{protocol}-{first}")
            ports = (PortMatch(protocol=protocol, first=first, last=last),)
            cells.append(Cell(None, 0, ports, nft.Goto(chain)))
    writer.ask(tables(cells, side=Side.INGRESS, name=name, then=(), comment="groups by port"))
    rest = f"{name}-rest"
    for numbers, chain in chains.items():
        lines = _together(writer, [groups[n] for n in numbers], answers, side)
        writer.aside(chain, (*lines, nft.Rule(then=(nft.Goto(rest),))))
    writer.turn(rest)


def _together(writer: Writer, groups: Iterable[_Named], answers: Answers, side: Side) -> list[nft.Rule]:
    """What asks groups of the same ports, which the packet has: one by one, or as a few crowds."""
    first: dict[Group | Domains, Rule] = {}
    for one in groups:
        first.setdefault(one.peer, one.rule)
    said = {peer.id: rule for peer, rule in first.items() if isinstance(peer, Group)}
    found: list[nft.Rule] = []
    if len(said) > FEW:
        apart = set(writer.large)
        for share in shares(said):
            if len(share) == 1:
                apart.update(share)
            else:
                found += _as_crowd(writer, {group: said[group] for group in share}, answers, side)
        first = {peer: rule for peer, rule in first.items() if isinstance(peer, Domains) or peer.id in apart}
    return found + [answers.line(rule, match) for peer, rule in first.items() for match in _peer_matches(peer, side)]


def _as_crowd(writer: Writer, said: dict[GroupId, Rule], answers: Answers, side: Side) -> list[nft.Rule]:
    data, then = {group: answers.datum(rule) for group, rule in said.items()}, answers.then
    if len(set(data.values())) == 1:
        data, then = dict.fromkeys(data), answers.line(next(iter(said.values())), ()).then
    behind = {str(rule.origin) for rule in said.values()}
    comment = _comment(len(behind)) if len(behind) > 1 else behind.pop()
    asked = crowd(data.items())
    writer.knows(asked)
    return questions(asked, side=side, then=then, comment=comment)


def _peer_matches(peer: Peer, side: Side) -> Iterator[Matches]:
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
