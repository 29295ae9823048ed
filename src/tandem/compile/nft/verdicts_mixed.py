"""A tier whose verdict changes from rule to rule -> one look-up by port, then a few by address. Pure.

As blocks of one verdict (`verdicts.py`) such a tier is asked rule by rule. Here each port has a chain of its own, with
what the tier says of that port, in the order of the tier. Groups that follow one another there are one crowd, whose
elements are verdicts: of an address that several have, the first says (`crowds.py`). Groups that no crowd has, domains
and blocks of addresses are asked in their place; after a rule about everyone nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Final

from tandem.base.ids import GroupId
from tandem.compile.nft.crowds import Place, crowd, questions
from tandem.compile.nft.matches import peer_matches
from tandem.compile.nft.verdicts_groups import FEW
from tandem.compile.nft.verdicts_space import all_of
from tandem.compile.nft.verdicts_tables import Cell, Datum, tables
from tandem.compile.nft.writer import Answers, Writer
from tandem.ir.policy import Anyone, Group, Peer, PortMatch, Rule, Side, Verdict
from tandem.state import nft

MOST: Final = 1024
"""Ports; of a tier with more, the chain of each would take longer to load than packets gain."""
AGAIN: Final = 16
"""How often, on average, a peer may be said anew, since one without ports is said for each port.

And so many times FEW may there be peers, in all ports together, that no crowd has: of more, blocks make tables.
"""
Said = tuple[Peer, Rule]
AnswersOf = Callable[[Verdict], Answers]


def write_mixed(writer: Writer, rules: tuple[Rule, ...], answers: AnswersOf, *, side: Side, name: str) -> bool:
    """Judge by `rules`, the first that has a packet; what none has goes on. False: blocks serve this tier better."""
    if sum(1 for _ in groupby(rules, key=lambda rule: rule.verdict)) <= FEW:
        return False
    every = [(peer, rule) for rule in rules for peer in rule.peers]
    spans = {port for rule in rules for port in rule.ports}
    if len(spans) > MOST or len(spans) * sum(not rule.ports for _, rule in every) > AGAIN * len(every):
        return False
    ports = _ports(every)
    chains = {said: f"{name}-{protocol}-{first}" for (protocol, first, _), said in reversed(ports.items())}
    mixed = _Mixed(writer, answers, side, name)
    if sum(not mixed.is_in_crowd(one) for said in chains for one in said) > AGAIN * FEW:
        return False
    cells = [
        Cell(None, 0, (PortMatch(protocol=protocol, first=first, last=last),), nft.Goto(chains[said]))
        for (protocol, first, last), said in ports.items()
    ]
    writer.ask(tables(cells, side=side, name=name, then=(), comment=f"{len(rules)} rules by port"))
    rest = f"{name}-rest"
    for said, chain in chains.items():
        writer.aside(chain, (*mixed.lines(said), nft.Rule(then=(nft.Goto(rest),))))
    writer.add(*mixed.lines([one for one in every if not one[1].ports]))
    mixed.ends()
    writer.turn(rest)
    return True


def _ports(every: list[Said]) -> dict[tuple[str, int, int], tuple[Said, ...]]:
    """What is said of each range of ports, which have nothing in common, in the order of the tier."""
    ranges: dict[str, list[tuple[int, int, int]]] = {
        port.protocol.lower(): [] for _, rule in every for port in rule.ports
    }
    for number, (_, rule) in enumerate(every):
        whole = [PortMatch(protocol=protocol) for protocol in ranges]
        for port in rule.ports or whole:
            ranges[port.protocol.lower()].append((port.first, port.last, number))
    return {
        (protocol, first, last): tuple(every[number] for number in dict.fromkeys(numbers))
        for protocol, given in sorted(ranges.items())
        for first, last, numbers in all_of(given)
    }


class _Mixed:
    """What asks peers of the same ports, which the packet has."""

    def __init__(self, writer: Writer, answers: AnswersOf, side: Side, name: str) -> None:
        self._writer = writer
        self._answers = answers
        self._side = side
        self._name = name
        self._ends: dict[str, tuple[nft.Rule, ...]] = {}

    def lines(self, said: Iterable[Said]) -> list[nft.Rule]:
        """In order; what comes after a rule about everyone is never asked."""
        found: list[nft.Rule] = []
        for in_crowd, some in groupby(_up_to_everyone(said), key=self.is_in_crowd):
            run = list(some)
            first: dict[GroupId, Rule] = {}
            for peer, rule in run if in_crowd else ():
                if isinstance(peer, Group):
                    first.setdefault(peer.id, rule)
            found += self._asked(first) if len(first) > FEW else self._one_by_one(run)
        return found

    def is_in_crowd(self, said: Said) -> bool:
        """Whether its group has no set of its own to be asked."""
        peer, _ = said
        return isinstance(peer, Group) and peer.id not in self._writer.large

    def _one_by_one(self, run: list[Said]) -> Iterator[nft.Rule]:
        for peer, rule in run:
            for match in peer_matches(peer, self._side):
                yield self._answers(rule.verdict).line(rule, match)

    def _asked(self, first: dict[GroupId, Rule]) -> list[nft.Rule]:
        """As one crowd of verdicts; which rule allowed, a second one tells, of the groups that are allowed."""
        allowed: dict[Place, Datum] = {}
        verdicts: dict[Place, Datum] = {}
        for group, rule in first.items():
            datum = verdicts[group, ()] = self._answers(rule.verdict).datum(rule)
            if isinstance(datum, tuple):
                allowed[group, ()] = datum
        ends = {verdict: [nft.Rule(then=self._answers(verdict).then)] for verdict in (Verdict.ACCEPT, Verdict.PASS)}
        if allowed:
            ends[Verdict.ACCEPT] = self._crowd(allowed, self._answers(Verdict.ACCEPT).then)
        for group, rule in first.items():
            if rule.verdict is not Verdict.DENY:
                verdicts[group, ()] = nft.Goto(self._end(tuple(ends[rule.verdict])))
        return self._crowd(verdicts, ())

    def _crowd(self, said: dict[Place, Datum], then: tuple[nft.Statement, ...]) -> list[nft.Rule]:
        asked = crowd(said.items())
        self._writer.knows(asked)
        return questions(asked, side=self._side, then=then, comment=f"{len(said)} groups")

    def _end(self, rules: tuple[nft.Rule, ...]) -> str:
        """The chain that does this."""
        known = next((chain for chain, done in self._ends.items() if done == rules), None)
        chain = known or f"{self._name}-end{len(self._ends)}"
        self._ends[chain] = rules
        return chain

    def ends(self) -> None:
        """Write the chains to which crowds lead."""
        for chain, rules in self._ends.items():
            self._writer.aside(chain, rules)


def _up_to_everyone(said: Iterable[Said]) -> Iterator[Said]:
    for one in said:
        yield one
        if isinstance(one[0], Anyone):
            return
