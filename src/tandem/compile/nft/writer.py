"""The chains of one policy set in the making, with the tables, counters and crowds that they ask. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tandem.base.ids import GroupId
from tandem.compile import names
from tandem.compile.nft.crowds import Crowd
from tandem.compile.nft.matches import Matches
from tandem.compile.nft.verdicts_tables import Datum, Table
from tandem.ir.policy import Rule, Verdict
from tandem.state import nft
from tandem.state.nft import Struct


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
