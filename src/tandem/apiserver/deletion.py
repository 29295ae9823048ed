"""What a deletion does: grace of Pods, finalizers, children of owners, content of Namespaces.

Everything happens inside the caller's transaction.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.apiserver import errors
from tandem.apiserver.records import Raw, Record
from tandem.apiserver.store import Store
from tandem.base.clock import Clock, rfc3339
from tandem.model.kinds import BY_KIND

KEPT_NAMESPACES: Final = frozenset({"default", "kube-system", "kube-node-lease"})


class Options(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """DeleteOptions, the fields that are acted on. Foreground is treated as background: children go at once."""

    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    preconditions: dict[str, str] | None = None
    orphan_dependents: bool | None = None
    dry_run: tuple[str, ...] = ()

    @property
    def orphan(self) -> bool:
        """True if the children are to stay."""
        return self.propagation_policy == "Orphan" or bool(self.orphan_dependents)


class Deletions:
    """Deletes from a Store; `clock` dates deletionTimestamp."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def delete(self, record: Record, options: Options) -> Record:
        """Begin or finish a deletion: the removed object's last state, or the object that now is terminating."""
        kind, name = record.kind, record.name
        for field, wanted in (options.preconditions or {}).items():
            if record.meta.get(field) != wanted:
                why = f"precondition failed: {field} is {record.meta.get(field)}, not {wanted}"
                raise errors.conflict(kind, name, why)
        if kind.kind == "Namespace":
            if name in KEPT_NAMESPACES:
                raise errors.forbidden(kind, name, "this namespace may not be deleted")
            return self._namespace(record)
        grace = self._grace(record, options)
        if grace > 0 or record.meta.get("finalizers"):
            return self._mark(record, grace)
        return self.remove(record, orphan=options.orphan)

    def remove(self, record: Record, *, orphan: bool = False) -> Record:
        """Remove an object, and what it alone owned; finish its Namespace if that was waiting for it."""
        last = self._store.remove(record)
        uid = record.meta.get("uid", "")
        for child in self._store.owned_by(uid):
            owners = [o for o in child.meta["ownerReferences"] if o.get("uid") != uid]
            if orphan or any(self._store.has_uid(o.get("uid", "")) for o in owners):
                self._store.put(child.kind, {**child.raw, "metadata": {**child.meta, "ownerReferences": owners}})
            else:
                self.delete(child, Options())
        if record.namespace:
            self.finish_namespace(record.namespace)
        return last

    def finish_namespace(self, name: str) -> None:
        """Remove a terminating Namespace that has become empty."""
        space = self._store.get(BY_KIND["Namespace"], "", name)
        if space is None or "deletionTimestamp" not in space.meta or space.meta.get("finalizers"):
            return
        if not self._store.in_namespace(name):
            self._store.remove(space)

    def _namespace(self, record: Record) -> Record:
        record = self._mark(record, 0)
        terminating: Raw = {**record.raw, "status": {**record.raw.get("status", {}), "phase": "Terminating"}}
        record = self._store.put(record.kind, terminating)
        # Owners first (the registry lists Pods before Deployments): a controller must not replace what goes.
        for child in reversed(self._store.in_namespace(record.name)):
            current = self._store.get(child.kind, *child.key)
            if current is not None:
                self.delete(current, Options())
        self.finish_namespace(record.name)
        return self._store.get(record.kind, "", record.name) or record

    def _grace(self, record: Record, options: Options) -> int:
        if record.kind.kind != "Pod":
            return 0
        spec, status = record.raw.get("spec", {}), record.raw.get("status", {})
        if not spec.get("nodeName") or status.get("phase") in {"Succeeded", "Failed"}:
            return 0  # no runtime holds anything of it
        asked = options.grace_period_seconds
        grace = int(spec.get("terminationGracePeriodSeconds", 30) if asked is None else max(asked, 0))
        under_way = record.meta.get("deletionGracePeriodSeconds")
        return grace if under_way is None else min(grace, under_way)

    def _mark(self, record: Record, grace: int) -> Record:
        meta = record.meta
        if "deletionTimestamp" in meta and grace == meta.get("deletionGracePeriodSeconds", 0):
            return record
        marks = {"deletionTimestamp": rfc3339(self._clock.now() + grace), "deletionGracePeriodSeconds": grace}
        return self._store.put(record.kind, {**record.raw, "metadata": {**meta, **marks}})
