"""`translate_policy` from World to World: sets of the Kins whose policies changed, groups whose members did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from tandem.base.ids import PolicySetId
from tandem.base.problems import ObjectKey
from tandem.base.table import Table, changes
from tandem.ir.policy import PolicyIR, PolicySet
from tandem.model import core
from tandem.model.adminpolicy import AdminNetworkPolicy, BaselineAdminNetworkPolicy
from tandem.model.clusterpolicy import ClusterNetworkPolicy
from tandem.model.meta import Object
from tandem.model.policy import NetworkPolicy
from tandem.model.world import World
from tandem.translate.live.crowd import Crowd, Kin, Selection
from tandem.translate.live.groups import Groups
from tandem.translate.live.made import SIDES, Made, MadeKey
from tandem.translate.live.problems import Gathered, Warnings
from tandem.translate.options import Options
from tandem.translate.policy import warn
from tandem.translate.policy.clusterpolicy import draft_clusterpolicy
from tandem.translate.policy.draft import Draft
from tandem.translate.policy.networkpolicy import draft_networkpolicy
from tandem.translate.policy.resolve import Resolver
from tandem.translate.policy.select import DNS_LABELS, DNS_NAMESPACE, DNS_PORTS, Population, is_subject, named_ports

_DNS: Final = "the node's resolver"
_DRAFTS: Final[tuple[tuple[type[Object], Callable[[Any], Draft]], ...]] = (
    (NetworkPolicy, draft_networkpolicy),
    (ClusterNetworkPolicy, draft_clusterpolicy),
    (AdminNetworkPolicy, draft_clusterpolicy),
    (BaselineAdminNetworkPolicy, draft_clusterpolicy),
)


Assigned = dict[str, PolicySetId | None]
"""Pod uid -> its set; None: it has none."""
K = TypeVar("K")
V = TypeVar("V")


class _Policy(msgspec.Struct, frozen=True, eq=False):
    """A policy, and the pods that it judges."""

    draft: Draft
    subjects: Selection


class LivePolicy:
    """One per Live."""

    def __init__(self, options: Options, gathered: Gathered) -> None:
        self._before = World()
        self._crowd = Crowd()
        self._groups = Groups(self._crowd, options.dns_addresses)
        self._warnings = Warnings(gathered)
        self._policies: dict[ObjectKey, _Policy] = {}
        self._judging: dict[Selection, set[ObjectKey]] = {}
        self._made: dict[MadeKey, Made] = {}
        self._by_policy: dict[ObjectKey, set[Made]] = {}
        self._readers: dict[Selection, set[Made]] = {}
        self._of: dict[Kin, tuple[Made, ...]] = {}
        self._uses: Counter[PolicySetId] = Counter()
        self._sets: dict[PolicySetId, PolicySet | None] = {}
        """Of this update: those that are there now, and (None) those that are not."""
        self._ir = PolicyIR(sets=Table(), groups=Table(), ingress=Table(), egress=Table())
        labels = tuple(sorted(DNS_LABELS.items()))
        self._crowd.put(_DNS, (DNS_NAMESPACE, labels, DNS_PORTS, False), options.dns_addresses)

    def update(self, now: World) -> PolicyIR:
        """The policy of this World."""
        before, self._before = self._before, now
        for namespace, (_, labels) in changes(before.namespace_labels, now.namespace_labels).items():
            self._crowd.label(namespace, labels)
        moved = self._move(before, now)
        edited = self._edit(before, now)
        dirty, fresh = self._crowd.take()
        ingress, egress = self._judge(edited, dirty, fresh, moved)
        homes = {name for _, name in changes(before.all(core.Namespace), now.all(core.Namespace))}
        concerned = edited | {key for selection in dirty for key in self._judging.get(selection, ())}
        if homes:
            concerned |= {key for key in self._policies if key[1] in homes}
        for key in concerned:
            self._about(key, now)
        groups = self._groups.update(now)
        for made in self._groups.doubtful():
            self._warnings.tell(("dns", made), self._groups.about_dns(made))
        self._warnings.settle()
        put = {name: found for name, found in self._sets.items() if found is not None}
        sets = _table(self._ir.sets).changed(put, self._sets.keys() - put.keys())
        self._sets = {}
        self._ir = PolicyIR(
            sets=sets,
            groups=groups,
            ingress=_assigned(self._ir.ingress, ingress),
            egress=_assigned(self._ir.egress, egress),
        )
        return self._ir

    def _move(self, before: World, now: World) -> set[str]:
        """Put and drop pods; those that may be of another Kin now, by uid."""
        moved: set[str] = set()
        put: dict[str, core.Pod] = {}
        for old, new in changes(before.all(core.Pod), now.all(core.Pod)).values():
            if old is not None and is_subject(old):
                moved.add(old.metadata.uid)
            if new is not None and is_subject(new):
                put[new.metadata.uid] = new
        for uid, pod in put.items():
            labels = tuple(sorted(pod.metadata.labels.items()))
            self._crowd.put(uid, (pod.metadata.namespace, labels, named_ports(pod), True), pod.addresses)
        for uid in moved - put.keys():
            self._crowd.drop(uid)
        return moved | put.keys()

    def _edit(self, before: World, now: World) -> set[ObjectKey]:
        """Take over policies that changed; which."""
        edited: set[ObjectKey] = set()
        for cls, draft_of in _DRAFTS:
            for (namespace, name), (_, obj) in changes(before.all(cls), now.all(cls)).items():
                key = cls.__name__, namespace, name
                known = self._policies.get(key)
                draft = draft_of(obj) if obj is not None else None
                if known is not None and known.draft == draft:
                    continue
                edited.add(key)
                subjects = self._crowd.acquire(draft.subject) if draft is not None else None
                if known is not None:
                    self._judging[known.subjects].discard(key)
                    if known.subjects is not subjects:
                        self._crowd.reconsider(known.subjects)
                    if not self._judging[known.subjects]:
                        del self._judging[known.subjects]
                    self._crowd.release(known.subjects)
                    del self._policies[key]
                if draft is not None and subjects is not None:
                    self._policies[key] = _Policy(draft, subjects)
                    self._judging.setdefault(subjects, set()).add(key)
                    self._crowd.reconsider(subjects)
        return edited

    def _judge(
        self, edited: set[ObjectKey], dirty: set[Selection], fresh: set[Kin], moved: set[str]
    ) -> tuple[Assigned, Assigned]:
        """Which sets judge which pods now: pods whose sets may be others, by uid."""
        stale = {made for key in edited for made in self._by_policy.get(key, ())}
        stale |= {made for selection in dirty for made in self._readers.get(selection, ())}
        for made in stale:
            self._made.pop(made.key, None)
        left: set[Made] = set()
        changed: set[str] = set(moved)
        for kin in fresh | {kin for made in stale for kin in made.kins}:
            old = self._of.pop(kin, ())
            new = self._sides_of(kin) if kin.members and kin.subject else ()
            for made in old:
                made.kins.discard(kin)
                left.add(made)
            for made in new:
                made.kins.add(kin)
            if new:
                self._of[kin] = new
            if [m.enforced for m in old] != [m.enforced for m in new]:
                changed.update(kin.members)
        for made in left:
            if not made.kins:
                self._dispose(made)
        return self._assign(changed)

    def _assign(self, uids: set[str]) -> tuple[Assigned, Assigned]:
        assigned: tuple[Assigned, Assigned] = ({}, {})
        for uid in uids:
            kin = self._crowd.kin_of(uid)
            sides = self._of.get(kin, ()) if kin is not None else ()
            for side, into in enumerate(assigned):
                found = sides[side].enforced if sides else None
                into[uid] = found.id if found is not None else None
        return assigned

    def _sides_of(self, kin: Kin) -> tuple[Made, ...]:
        judges = {key for selection in kin.selections for key in self._judging.get(selection, ())}
        keys = tuple(sorted(judges, key=lambda key: self._policies[key].draft.key))
        return tuple(self._making((side, kin.ports, keys)) for side in SIDES) if keys else ()

    def _making(self, key: MadeKey) -> Made:
        made = self._made.get(key)
        if made is not None:
            return made
        made = self._made[key] = Made(key, [self._policies[policy].draft for policy in key[2]], self._crowd)
        for policy in key[2]:
            self._by_policy.setdefault(policy, set()).add(made)
        for selection in made.read:
            self._readers.setdefault(selection, set()).add(made)
        for policy_set in made.sets:
            self._uses[policy_set.id] += 1
            if self._uses[policy_set.id] == 1:
                self._sets[policy_set.id] = policy_set
        self._groups.use(made)
        self._warnings.tell(("made", made), made.problems)
        return made

    def _dispose(self, made: Made) -> None:
        if self._made.get(made.key) is made:
            del self._made[made.key]
        for policy in made.key[2]:
            self._by_policy[policy].discard(made)
            if not self._by_policy[policy]:
                del self._by_policy[policy]
        for selection in made.read:
            self._readers[selection].discard(made)
            if not self._readers[selection]:
                del self._readers[selection]
            self._crowd.release(selection)
        for policy_set in made.sets:
            self._uses[policy_set.id] -= 1
            if not self._uses[policy_set.id]:
                del self._uses[policy_set.id]
                self._sets[policy_set.id] = None
        self._groups.leave(made)
        self._warnings.tell(("made", made), ())
        self._warnings.tell(("dns", made), ())

    def _about(self, key: ObjectKey, now: World) -> None:
        policy = self._policies.get(key)
        if policy is None:
            self._warnings.tell(("policy", *key), ())
            return
        found = Resolver(Population(World(), ()))
        for problem in policy.draft.problems:
            found.report(problem)
        ports = {kin.ports for kin in policy.subjects.kins if kin.subject}
        warn.about_policy(policy.draft, now, subjects=ports, resolver=found)
        self._warnings.tell(("policy", *key), found.problems)


def _table(found: Mapping[K, V]) -> Table[K, V]:
    return found if isinstance(found, Table) else Table(found)


def _assigned(before: Mapping[str, PolicySetId], assigned: Assigned) -> Table[str, PolicySetId]:
    table = _table(before)
    put = {uid: name for uid, name in assigned.items() if name is not None and before.get(uid) != name}
    return table.changed(put, [uid for uid, name in assigned.items() if name is None])
