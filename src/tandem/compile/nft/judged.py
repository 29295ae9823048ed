"""NodeView -> what the node's table has of its pods' policy: chains, tables, counters, and sets of addresses. Pure.

Everything here is kept up from view to view (`base/entries.py`): a policy that changed costs what depends on it, and a
node with a thousand of them passes over none of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from tandem.base.addresses import family as version
from tandem.base.entries import Given, entries_of, joined_values
from tandem.base.ids import GroupId, PolicySetId
from tandem.base.members import changes, joined_as_before, stepped
from tandem.base.memo import each_as_before, same_as_before
from tandem.base.table import Table
from tandem.base.table import changes as differences
from tandem.compile import names
from tandem.compile.nft.chains import judge
from tandem.compile.nft.crowds import Crowd, large_groups
from tandem.compile.nft.families import FAMILIES, Family
from tandem.compile.nft.verdicts_groups import FEW
from tandem.ir.domains import names_of
from tandem.ir.node import AttachedPod, NodeView
from tandem.ir.policy import AddressGroup, PolicySet, Side, every_rule, groups_of
from tandem.state import nft

Pair = tuple[PolicySet, PolicySet | None, frozenset[GroupId]]
"""A set that is used, the one that judges beside it (`PolicySet.preview`) once it has arrived, and their large groups.
"""
_NO_GROUPS: Final[frozenset[GroupId]] = frozenset()


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a node has of policy beside the members of groups and names."""

    rules: nft.Ruleset
    groups: frozenset[GroupId]
    """Those with a set of their own."""
    patterns: tuple[tuple[str, ...], ...]
    """Of each `Domains` peer."""
    crowds: tuple[Crowd, ...]


def judged(view: NodeView) -> Judged:
    """Of the pods of a view: the very same for as long as no set of theirs is another one."""
    return _judged(*_columns(_pairs(view.sets, *_set_ids(view.pods), large=large_groups(view.groups))))


def _given(pair: Pair) -> Given:
    found, preview, large = pair
    written = judge(found, preview, large=large)
    rules = written.rules
    return (
        *({part.name: part for part in parts} for parts in (rules.chains, rules.sets, rules.maps)),
        {name: name for name in rules.counters},
        {group: group for group in written.groups()},
        {" ".join(p.patterns): p.patterns for one in (found, preview) if one is not None for p in names_of(one)},
        {crowd.name: crowd for crowd in written.crowds},
    )


_columns: Final = joined_values(7)(_given)


@same_as_before
def _judged(*columns: tuple[Any, ...]) -> Judged:
    chains, sets, maps, counters, groups, patterns, crowds = columns
    rules = nft.Ruleset(chains=chains, sets=sets, maps=maps, counters=frozenset(counters))
    return Judged(rules=rules, groups=frozenset(groups), patterns=patterns, crowds=crowds)


def used_sets(view: NodeView) -> tuple[PolicySet, ...]:
    """The policy sets of this node's pods, sorted by id.

    A set that has not arrived yet is there with no rules: closed, not open.
    """
    ingress, egress = _set_ids(view.pods)
    sides = dict.fromkeys(ingress, Side.INGRESS) | dict.fromkeys(egress, Side.EGRESS)
    return tuple(view.sets.get(s) or _closed(s, sides[s]) for s in sorted(sides))


def _closed(name: PolicySetId, side: Side) -> PolicySet:
    return PolicySet(id=name, side=side, rules=(), isolated_by=(), closed=True)


def preview_of(view: NodeView, policy_set: PolicySet) -> PolicySet | None:
    """The set that judges beside this one; None also while it has not arrived."""
    return _preview(view.sets, policy_set)


def _preview(sets: Mapping[PolicySetId, PolicySet], policy_set: PolicySet) -> PolicySet | None:
    return sets.get(policy_set.preview) if policy_set.preview is not None else None


def with_previews(view: NodeView, used: tuple[PolicySet, ...]) -> tuple[PolicySet, ...]:
    """`used` and the sets that judge beside them: all whose groups and names are needed."""
    beside = (preview_of(view, policy_set) for policy_set in used)
    return tuple({s.id: s for s in (*used, *beside) if s is not None}.values())


_ingress: Final = entries_of(partial(_closed, side=Side.INGRESS))
_egress: Final = entries_of(partial(_closed, side=Side.EGRESS))


class _Pairs:
    """The sets that are used, each with its preview."""

    def __init__(self) -> None:
        nothing: Table[PolicySetId, PolicySet] = Table()
        self._sets: Mapping[PolicySetId, PolicySet] = nothing
        self._used = nothing, nothing
        self._staged: dict[PolicySetId, PolicySetId] = {}
        """The preview of each that names one."""
        self._large = _NO_GROUPS
        self._many: dict[PolicySetId, frozenset[GroupId]] = {}
        """The groups of each that has so many that some may be asked as a crowd."""
        self._pairs: Table[PolicySetId, Pair] = Table()

    def of(
        self,
        sets: Mapping[PolicySetId, PolicySet],
        ingress: frozenset[PolicySetId],
        egress: frozenset[PolicySetId],
        *,
        large: frozenset[GroupId],
    ) -> Table[PolicySetId, Pair]:
        """By the id of the set that is used; the very same for as long as none of them is another one."""
        used = _ingress(sets, ingress), _egress(sets, egress)
        touched: dict[PolicySetId, PolicySet | None] = {}
        for before, now in zip(self._used, used, strict=True):
            touched |= {name: new for name, (_, new) in differences(before, now).items()}
        staged = {name: preview for name, preview in self._staged.items() if name not in touched}
        if staged:
            other = differences(self._sets, sets).keys()
            touched |= {name: self._pairs[name][0] for name, preview in staged.items() if preview in other}
        crossed = large ^ self._large if large is not self._large else _NO_GROUPS
        regrouped = [n for n, own in self._many.items() if n not in touched and not own.isdisjoint(crossed)]
        touched |= {name: self._pairs[name][0] for name in regrouped}
        asked = {name: (s, _preview(sets, s)) for name, s in touched.items() if s is not None}
        staged |= {name: s.preview for name, (s, _) in asked.items() if s.preview is not None}
        self._many = {name: own for name, own in self._many.items() if name not in touched}
        self._many |= {name: own for name, both in asked.items() if len(own := _groups_of(both)) > FEW}
        put = {name: (*both, self._many.get(name, _NO_GROUPS) & large) for name, both in asked.items()}
        self._sets, self._used, self._staged, self._large = sets, used, staged, large
        self._pairs = self._pairs.changed(put, touched.keys() - put.keys())
        return self._pairs


_pairs: Final = _Pairs().of


def _groups_of(sets: Iterable[PolicySet | None]) -> frozenset[GroupId]:
    return _NO_GROUPS.union(*(groups_of(every_rule(one)) for one in sets if one is not None))


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


def group_sets(view: NodeView, groups: frozenset[GroupId]) -> list[nft.Set]:
    """One set per family for each of these groups; a group not known here yet is empty."""
    made = _of_each(view.groups.get(group) or _empty(group) for group in sorted(groups))
    return [one for (both,) in made for one in both.values()]


def group_sets_of_node(view: NodeView, groups: frozenset[GroupId]) -> tuple[nft.Set, ...]:
    """The same of all pods (`Judged.groups`): kept up from view to view."""
    (made,) = _group_sets(_groups(view.groups, groups))
    return made


def _empty(group: GroupId) -> AddressGroup:
    return AddressGroup(id=group, addresses=())


_groups: Final = entries_of(_empty)


def _revised(before: AddressGroup, now: AddressGroup, given: Given) -> Given:
    """One address more of ten thousand is one address more."""
    gone, come = changes(before.addresses, now.addresses)
    less, more = (frozenset((a,) for a in addresses) for addresses in (gone, come))
    return _of_sets(
        _with(found, _of_family(less, family), _of_family(more, family))
        for family, found in zip(FAMILIES, given[0].values(), strict=True)
    )


def _with(found: nft.Set, less: frozenset[nft.Key], more: frozenset[nft.Key]) -> nft.Set:
    elements = stepped(found.elements, less, more)
    return found if elements is found.elements else msgspec.structs.replace(found, elements=elements)


def _of_family(keys: frozenset[nft.Key], family: Family) -> frozenset[nft.Key]:
    return frozenset(key for key in keys if version(str(key[0])) == family.version)


def _of_sets(made: Iterable[nft.Set]) -> Given:
    return ({one.name: one for one in made},)


def _of_group(group: AddressGroup) -> Given:
    keys = frozenset((a,) for a in group.addresses)  # translation writes them in canonical form
    return _of_sets(
        nft.Set(name=names.group_set(group.id, family.version), type=(family.type,), elements=_of_family(keys, family))
        for family in FAMILIES
    )


_of_each: Final = each_as_before(_of_group)
_group_sets: Final = joined_values(1, _revised)(_of_group)
