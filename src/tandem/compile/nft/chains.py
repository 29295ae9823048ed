"""PolicySet -> the chains and tables that judge it. Pure.

| chain | does |
|---|---|
| ps-SET | tier Admin, NetworkPolicy or tier Baseline; what isolation denies is logged, counted, dropped here |
| ps-SET-t | what comes after tier Admin, where a rule of it can pass |
| ps-SET-…-g-… | the groups of one port, where a tier has many (verdicts.py) |
| pv-SET | the same with staged policies in force: for what ps-… allows, and nothing is denied |
| no-RULE, st-RULE | what a rule of a tier denies, would deny |

A tier is cut into blocks of one verdict: within a block no order matters, so that it is a few look-ups however many
rules it has (`verdicts.py`). An allowed packet is counted by its rule; only first packets of connections come here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import groupby
from typing import Final

import msgspec

from tandem.base.addresses import family as version
from tandem.base.ids import GroupId, PolicySetId
from tandem.base.members import changes, joined_as_before
from tandem.base.memo import each_as_before, each_revised, equal_to_before, pairs_as_before, same_as_before
from tandem.base.problems import Origin
from tandem.base.table import changes as differences
from tandem.compile import names
from tandem.compile.nft.families import FAMILIES, Family
from tandem.compile.nft.verdicts import Answers, Writer, write
from tandem.ir.node import AttachedPod, NodeView
from tandem.ir.policy import AddressGroup, Group, PolicySet, Rule, Side, Verdict
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


def judge(policy_set: PolicySet, preview: PolicySet | None = None, *, answers: bool = True) -> nft.Ruleset:
    """Chains, tables and counters of a set, and of the one with staged policies; what both need is in both.

    `answers`: denials are answered where a policy asks for it, which not every hook can.
    """
    enforced = _Judge(policy_set, preview, answers=answers).written()
    return enforced if preview is None else joined((enforced, _Judge(preview, None, staged=True).written()))


def _pair(policy_set: PolicySet, preview: PolicySet | None) -> nft.Ruleset:
    return judge(policy_set, preview)


_judged: Final = pairs_as_before(_pair)


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a node has of policy beside the members of groups."""

    asked: tuple[PolicySet, ...]
    """The sets of its pods, and those that judge beside them: all whose groups and names are needed."""
    groups: tuple[GroupId, ...]
    """Sorted."""
    rules: nft.Ruleset


def judged(view: NodeView) -> Judged:
    """Of the pods of a view: the very same for as long as no set of theirs is another one."""
    return _judged_sets(view.sets, *_set_ids(view.pods))


@same_as_before
def _judged_sets(
    sets: Mapping[PolicySetId, PolicySet], ingress: frozenset[PolicySetId], egress: frozenset[PolicySetId]
) -> Judged:
    return _judged_pairs(tuple((found, _preview(sets, found)) for found in _used(sets, ingress, egress)))


@equal_to_before
def _judged_pairs(pairs: tuple[tuple[PolicySet, PolicySet | None], ...]) -> Judged:
    """Of sets and their previews: those that come and go while no pod has them change nothing."""
    found = {used.id: used for used, _ in pairs}
    asked = tuple((found | {p.id: p for _, p in pairs if p is not None and p.id not in found}).values())
    rules = joined(_judged(pairs))
    ordered = nft.ruleset(chains=rules.chains, sets=rules.sets, maps=rules.maps, counters=rules.counters)
    return Judged(asked=asked, groups=_group_ids(asked), rules=ordered)


def joined(parts: Iterable[nft.Ruleset]) -> nft.Ruleset:
    """The parts as one: what is in several has the same name there, and is the same."""
    parts = tuple(parts)
    return nft.Ruleset(
        chains=tuple({c.name: c for p in parts for c in p.chains}.values()),
        sets=tuple({s.name: s for p in parts for s in p.sets}.values()),
        maps=tuple({m.name: m for p in parts for m in p.maps}.values()),
        counters=frozenset().union(*(p.counters for p in parts)),
    )


class _Judge:
    """Writes the chains of one set."""

    def __init__(
        self, policy_set: PolicySet, preview: PolicySet | None, *, staged: bool = False, answers: bool = True
    ) -> None:
        self._set = policy_set
        self._side = policy_set.side
        self._staged = staged
        self._answers = answers
        self._writer = Writer(names.set_chain(policy_set.id, staged=staged))
        # What the source's side allows returns to the base chain and is judged by the destination's there.
        self._allow: nft.Statement = nft.Return() if staged or self._side is Side.EGRESS else nft.Accept()
        if preview is not None:
            self._allow = nft.Goto(names.set_chain(preview.id, staged=True))
        self._preview = preview

    def written(self) -> nft.Ruleset:
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
        """Blocks of one verdict, in order; `leave` is what a rule that passes does."""
        for number, (verdict, block) in enumerate(groupby(rules, key=lambda rule: rule.verdict)):
            found = tuple(block)
            answers = Answers(
                then=(leave,) if verdict is Verdict.PASS else (self._allow,),
                counted=verdict is Verdict.ACCEPT and not self._staged,
                staged=self._staged,
            )
            write(self._writer, found, answers, side=self._side, name=f"{self._writer.name}-{tag}{number}")
            if verdict is Verdict.DENY:
                for rule in found:
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


def used_sets(view: NodeView) -> tuple[PolicySet, ...]:
    """The policy sets of this node's pods, sorted by id.

    A set that has not arrived yet is there with no rules: closed, not open.
    """
    return _used(view.sets, *_set_ids(view.pods))


def _used(
    sets: Mapping[PolicySetId, PolicySet], ingress: frozenset[PolicySetId], egress: frozenset[PolicySetId]
) -> tuple[PolicySet, ...]:
    wanted = dict.fromkeys(ingress, Side.INGRESS) | dict.fromkeys(egress, Side.EGRESS)
    return tuple(
        sets.get(s) or PolicySet(id=s, side=wanted[s], rules=(), isolated_by=(), closed=True) for s in sorted(wanted)
    )


@partial(joined_as_before, width=2)
def _set_ids(attached: AttachedPod) -> tuple[frozenset[PolicySetId], ...]:
    """Of each side."""
    return tuple(frozenset([s] if s is not None else ()) for s in (attached.pod.ingress, attached.pod.egress))


def compiles_alike(before: NodeView, now: NodeView) -> bool:
    """True if nothing differs but sets that no pod of the node has: what control sends before it says who has them."""
    if any(getattr(before, part) is not getattr(now, part) for part in _OTHERS):
        return False
    changed = differences(before.sets, now.sets).keys()
    ingress, egress = _set_ids(now.pods)
    if not changed.isdisjoint(ingress) or not changed.isdisjoint(egress):
        return False
    return not any(s.preview in changed for s in now.sets.values() if s.preview is not None)


_OTHERS: Final = tuple(name for name in NodeView.__struct_fields__ if name != "sets")


def preview_of(view: NodeView, policy_set: PolicySet) -> PolicySet | None:
    """The set that judges beside this one; None also while it has not arrived."""
    return _preview(view.sets, policy_set)


def _preview(sets: Mapping[PolicySetId, PolicySet], policy_set: PolicySet) -> PolicySet | None:
    return sets.get(policy_set.preview) if policy_set.preview is not None else None


def with_previews(view: NodeView, used: tuple[PolicySet, ...]) -> tuple[PolicySet, ...]:
    """`used` and the sets that judge beside them: all whose groups and names are needed."""
    found: dict[PolicySetId, PolicySet] = {s.id: s for s in used}
    for policy_set in used:
        preview = preview_of(view, policy_set)
        if preview is not None:
            found.setdefault(preview.id, preview)
    return tuple(found.values())


def every_rule(policy_set: PolicySet) -> tuple[Rule, ...]:
    """Of all tiers."""
    return (*policy_set.admin, *policy_set.rules, *policy_set.baseline)


def group_sets(view: NodeView, used: tuple[PolicySet, ...]) -> list[nft.Set]:
    """One set per family for each group that a used policy set refers to; a group not known here yet is empty."""
    return sets_of_groups(view, _group_ids(used))


def sets_of_groups(view: NodeView, ids: tuple[GroupId, ...]) -> list[nft.Set]:
    """The same of these groups."""
    groups = (view.groups.get(group) or AddressGroup(id=group, addresses=()) for group in ids)
    return [made for both in _group_sets(groups) for made in both]


def _group_ids(used: tuple[PolicySet, ...]) -> tuple[GroupId, ...]:
    return tuple(sorted(frozenset[GroupId]().union(*_groups(used))))


@each_as_before
def _groups(policy_set: PolicySet) -> frozenset[GroupId]:
    return frozenset(p.id for rule in every_rule(policy_set) for p in rule.peers if isinstance(p, Group))


def _revised(before: AddressGroup, now: AddressGroup, made: tuple[nft.Set, ...]) -> tuple[nft.Set, ...]:
    """One address more of ten thousand is one address more."""
    gone, come = changes(before.addresses, now.addresses)
    less, more = (frozenset((a,) for a in addresses) for addresses in (gone, come))
    if not less and not more:
        return made
    return tuple(
        msgspec.structs.replace(found, elements=(found.elements - less) | _of_family(more, family))
        for family, found in zip(FAMILIES, made, strict=True)
    )


def _of_family(keys: frozenset[nft.Key], family: Family) -> frozenset[nft.Key]:
    return frozenset(key for key in keys if version(str(key[0])) == family.version)


@each_revised(key=lambda group: group.id, revise=_revised)
def _group_sets(group: AddressGroup) -> tuple[nft.Set, ...]:
    keys = frozenset((a,) for a in group.addresses)  # translation writes them in canonical form
    return tuple(
        nft.Set(name=names.group_set(group.id, family.version), type=(family.type,), elements=_of_family(keys, family))
        for family in FAMILIES
    )
