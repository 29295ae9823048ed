"""PolicySet -> the chains and tables that judge it. Pure.

| chain | does |
|---|---|
| ps-SET | tier Admin, NetworkPolicy or tier Baseline; what isolation denies is logged, counted, dropped here |
| ps-SET-t | what comes after tier Admin, where a rule of it can pass |
| ps-SET-…-g-… | the groups of one port, where a tier has many (verdicts_groups.py) |
| ps-SET-a-…, -b-… | one port, where the verdict changes from rule to rule (verdicts_mixed.py) |
| pv-SET | the same with staged policies in force: for what ps-… allows, and nothing is denied |
| no-RULE, st-RULE | what a rule of a tier denies, would deny |

A tier is cut into blocks of one verdict: within a block no order matters, so that it is a few look-ups however many
rules it has (`verdicts.py`). One with many blocks is cut by port instead (`verdicts_mixed.py`). An allowed packet is
counted by its rule; only first packets of connections come here.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Final

from tandem.base.ids import GroupId
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft.families import FAMILIES
from tandem.compile.nft.verdicts import write
from tandem.compile.nft.verdicts_mixed import write_mixed
from tandem.compile.nft.writer import Answers, Writer, Written
from tandem.ir.policy import PolicySet, Rule, Side, Verdict
from tandem.state import nft
from tandem.state.nft import Field

LOG_LIMIT: Final = nft.Limit(per_second=50, burst=100)
"""Drops reported to NFLOG per policy set or rule; counters count them all."""
_REJECT: Final = (
    nft.Rule(match=(nft.Is(Field.L4PROTO, "tcp"),), then=(nft.Reject(tcp_reset=True),)),
    nft.Rule(then=(nft.Reject(prohibited=True),)),
)


def log_prefix(policy_set: PolicySet, *, staged: bool = False) -> str:
    """What NFLOG says of a packet that isolation by this set dropped (`staged`: would have dropped)."""
    return f"{names.set_chain(policy_set.id, staged=staged)}/{policy_set.side.value}"


def rule_prefix(rule: Rule, side: Side, *, staged: bool = False) -> str:
    """What NFLOG says of a packet that this rule of a tier dropped (`staged`: would have dropped)."""
    return f"{names.denied((rule.origin,), staged=staged)}/{side.value}"


def judge(
    policy_set: PolicySet,
    preview: PolicySet | None = None,
    *,
    large: frozenset[GroupId] = frozenset(),
    answers: bool = True,
) -> Written:
    """Chains, tables and counters of a set, and of the one with staged policies; what both need is in both.

    `large`: the groups that no crowd has (`crowds.large_groups`). `answers`: denials are answered where a policy asks
    for it, which not every hook can.
    """
    enforced = _Judge(policy_set, preview, large=large, answers=answers).written()
    if preview is None:
        return enforced
    return joined((enforced, _Judge(preview, None, large=large, staged=True).written()))


def joined(parts: Iterable[Written]) -> Written:
    """The parts as one: what is in several has the same name there, and is the same."""
    parts = tuple(parts)
    rules = nft.Ruleset(
        chains=tuple({c.name: c for p in parts for c in p.rules.chains}.values()),
        sets=tuple({s.name: s for p in parts for s in p.rules.sets}.values()),
        maps=tuple({m.name: m for p in parts for m in p.rules.maps}.values()),
        counters=frozenset().union(*(p.rules.counters for p in parts)),
    )
    return Written(rules=rules, crowds=tuple({c.name: c for p in parts for c in p.crowds}.values()))


class _Judge:
    """Writes the chains of one set."""

    def __init__(
        self,
        policy_set: PolicySet,
        preview: PolicySet | None,
        *,
        large: frozenset[GroupId],
        staged: bool = False,
        answers: bool = True,
    ) -> None:
        self._set = policy_set
        self._side = policy_set.side
        self._staged = staged
        self._answers = answers
        self._writer = Writer(names.set_chain(policy_set.id, staged=staged), large)
        # What the source's side allows returns to the base chain and is judged by the destination's there.
        self._allow: nft.Statement = nft.Return() if staged or self._side is Side.EGRESS else nft.Accept()
        if preview is not None:
            self._allow = nft.Goto(names.set_chain(preview.id, staged=True))
        self._preview = preview

    def written(self) -> Written:
        """All tiers, in order."""
        policy_set, writer = self._set, self._writer
        after = f"{writer.name}-t"
        self._tier(policy_set.admin, "a", leave=nft.Goto(after))
        if any(rule.verdict is Verdict.PASS for rule in policy_set.admin):
            writer.turn(after)
        if policy_set.closed:
            self._end()
        elif policy_set.isolated_by:
            self._tier(policy_set.rules, "n", leave=self._allow)
            writer.add(*self._itself())
            self._end()
        else:
            self._tier(policy_set.baseline, "b", leave=self._allow)
            if self._preview is not None:
                writer.add(nft.Rule(then=(self._allow,)))
        return writer.written()

    def _tier(self, rules: tuple[Rule, ...], tag: str, *, leave: nft.Statement) -> None:
        """Blocks of one verdict, in order, or all at once; `leave` is what a rule that passes does."""

        def answers(verdict: Verdict) -> Answers:
            return Answers(
                then=(leave,) if verdict is Verdict.PASS else (self._allow,),
                counted=verdict is Verdict.ACCEPT and not self._staged,
                staged=self._staged,
            )

        name = f"{self._writer.name}-{tag}"
        if not write_mixed(self._writer, rules, answers, side=self._side, name=name):
            for number, (verdict, block) in enumerate(groupby(rules, key=lambda rule: rule.verdict)):
                write(self._writer, tuple(block), answers(verdict), side=self._side, name=f"{name}{number}")
        for rule in rules:
            if rule.verdict is Verdict.DENY:
                self._denial(rule)

    def _denial(self, rule: Rule) -> None:
        origins = (rule.origin,)
        name = names.denied(origins, staged=self._staged)
        prefix = rule_prefix(rule, self._side, staged=self._staged)
        self._writer.aside(name, self._denies(prefix, origins, rejects=rule.rejects, comment=str(rule.origin)))

    def _end(self) -> None:
        prefix = log_prefix(self._set, staged=self._staged)
        self._writer.add(*self._denies(prefix, self._set.isolated_by, rejects=self._set.rejects))

    def _denies(
        self, prefix: str, origins: tuple[Origin, ...], *, rejects: bool, comment: str = ""
    ) -> tuple[nft.Rule, ...]:
        log = nft.Rule(then=(LOG_LIMIT, nft.Log(prefix)), comment=comment)
        counter = nft.Counter(names.denied(origins, staged=self._staged) if origins else "")
        if self._staged:
            return (log, nft.Rule(then=(counter, nft.Return())))
        if rejects and self._answers:
            return (log, nft.Rule(then=(counter,)), *_REJECT)
        return (log, nft.Rule(then=(counter, nft.Drop())))

    def _itself(self) -> tuple[nft.Rule, ...]:
        """A NetworkPolicy cannot keep a pod from itself. Only through a Service does such a packet come here."""
        return tuple(
            nft.Rule(
                match=(nft.InSet((f.saddr, f.daddr), f"self{f.version}"),),
                then=(self._allow,),
                comment="a pod may reach itself",
            )
            for f in FAMILIES
        )
