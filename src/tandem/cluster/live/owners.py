"""Owners of pods from World to World: of those that changed, or a pod of which did, and of those that wait for time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from tandem.base.table import changes
from tandem.cluster.templates import Owner, owner_of, waits_for_time
from tandem.cluster.writes import Write, delete
from tandem.model import core
from tandem.model.world import Key, World

By = TypeVar("By", bound=Owner)
Reconcile = Callable[[By, Sequence[core.Pod]], list[Write]]
"""What is to be written of one owner that has these pods, sorted by name."""


class LiveOwners(Generic[By]):
    """Of one kind. Its results do not depend on the Worlds between."""

    def __init__(self, kind: type[By]) -> None:
        self._kind = kind
        self._before = World()
        self._owned: dict[str, dict[Key, core.Pod]] = {}
        """Pods that owners made, by the uid of those."""
        self._living: dict[str, Key] = {}
        """Owners by uid, without those that are being deleted."""
        self._orphans: dict[Key, Write] = {}
        self._open: set[Key] = set()
        """Owners of which something is still to be written, or will be after a while."""
        self.waits = False
        """Whether some pod becomes available by waiting alone."""

    def update(self, now: World, reconcile: Reconcile[By]) -> tuple[Write, ...]:
        """Everything that is to be written in this World, by `reconcile` at this moment."""
        before, self._before = self._before, now
        owners = self._changed_pods(before, now)
        touched = self._open
        for key, (old, new) in changes(before.all(self._kind), now.all(self._kind)).items():
            touched.add(key)
            if old is not None and self._living.get(old.metadata.uid) == key:
                del self._living[old.metadata.uid]
                owners.add(old.metadata.uid)
            if new is not None and not new.metadata.deletion_timestamp:
                self._living[new.metadata.uid] = key
                owners.add(new.metadata.uid)
        for uid in owners:
            self._judge(uid)
            if uid in self._living:
                touched.add(self._living[uid])
        writes = [self._orphans[key] for key in sorted(self._orphans)]
        self._open, self.waits = set(), False
        for key in sorted(touched):
            owner = now.get(self._kind, *key)
            if owner is None or owner.metadata.deletion_timestamp:
                continue
            owned = self._owned.get(owner.metadata.uid, {})
            own = reconcile(owner, [owned[name] for name in sorted(owned)])
            writes += own
            waits = waits_for_time(owner)
            self.waits |= waits
            if own or waits:
                self._open.add(key)
        return tuple(writes)

    def _changed_pods(self, before: World, now: World) -> set[str]:
        """The uids of the owners that made pods which are others now."""
        owners: set[str] = set()
        for key, (old, new) in changes(before.all(core.Pod), now.all(core.Pod)).items():
            was = owner_of(old, self._kind) if old is not None else ""
            owner = owner_of(new, self._kind) if new is not None else ""
            if was:
                del self._owned[was][key]
                self._orphans.pop(key, None)
            if new is not None and owner:
                self._owned.setdefault(owner, {})[key] = new
            owners |= {was, owner} - {""}
        return owners

    def _judge(self, uid: str) -> None:
        """Which of the pods that an owner made are orphans."""
        for key, pod in self._owned.get(uid, {}).items():
            if uid in self._living or pod.terminating:
                self._orphans.pop(key, None)
            else:
                self._orphans[key] = delete(pod)
        if not self._owned.get(uid, True):
            del self._owned[uid]
