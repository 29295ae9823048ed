"""Rules of one verdict, in no order among themselves -> nft rules and tables that judge a packet. Pure.

A few are one nft rule each, as people would write them. More become tables (`verdicts_tables.py`). Groups of pods stay
the sets that all share, and are found by port where there are many (`verdicts_groups.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from tandem.compile.nft.families import FAMILIES
from tandem.compile.nft.matches import peer_matches, port_matches
from tandem.compile.nft.verdicts_groups import FEW, Named, by_port
from tandem.compile.nft.verdicts_space import difference
from tandem.compile.nft.verdicts_tables import Cell, tables
from tandem.compile.nft.writer import Answers, Writer
from tandem.ir.policy import Anyone, Cidr, Domains, Group, Peer, Rule, Side
from tandem.state import nft

PARTS: Final = 160
"""An ipBlock whose exceptions cut it into more prefixes than this is a rule of its own."""


def write(writer: Writer, rules: tuple[Rule, ...], answers: Answers, *, side: Side, name: str) -> None:
    """Judge by `rules`, all of one verdict; what none of them has goes on. `name` begins the names of tables."""
    few = tuple(islice(_lines(rules, answers, side), FEW + 1))
    if len(few) <= FEW:
        writer.add(*few)
        return
    cells: list[Cell] = []
    groups: list[Named] = []
    alone: list[nft.Rule] = []
    everyone: list[nft.Rule] = []
    for rule in rules:
        for peer in rule.peers:
            if isinstance(peer, Group | Domains):
                groups.append(Named(peer, rule))
            elif isinstance(peer, Anyone) and not rule.ports:
                everyone.append(answers.line(rule, ()))
            elif (found := _cells(peer, rule, answers)) is not None:
                cells += found
            else:
                one = _lines((rule,), answers, side, peers=(peer,))
                alone += one
    writer.ask(tables(cells, side=side, name=name, then=answers.then, comment=f"{len(rules)} rules"))
    writer.add(*alone)
    if len(groups) * len(FAMILIES) > FEW:
        by_port(writer, groups, answers, side=side, name=f"{name}-g")
    else:
        writer.add(*(line for g in groups for line in _lines((g.rule,), answers, side, peers=(g.peer,))))
    writer.add(*everyone)


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
            for match in peer_matches(peer, side):
                for ports in port_matches(rule.ports):
                    yield answers.line(rule, (*match, *ports))
