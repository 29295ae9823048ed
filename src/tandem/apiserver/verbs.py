"""create, update, patch, delete: what turns a request's object into a stored one, or into a Refusal.

In: kinds, names and decoded bodies; out: Records. Every write is one transaction; a dry run does all and undoes it.
"""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from tandem.apiserver import errors, eventforms, pools, services
from tandem.apiserver.deletion import Deletions, Options
from tandem.apiserver.immutable import forbidden_changes
from tandem.apiserver.nodeports import used_ports, with_node_ports
from tandem.apiserver.patch import PatchError, json_patch, merge_patch
from tandem.apiserver.records import Raw, Record
from tandem.apiserver.store import Store
from tandem.apiserver.strategic import strategic_merge
from tandem.base.clock import Clock, SystemClock, rfc3339
from tandem.cluster.networks import SERVICES, ServiceNetwork
from tandem.ingest.defaults import default
from tandem.model.kinds import BY_KIND, Kind, name_of
from tandem.model.parse import without_null
from tandem.model.schema import validate

BUILT_IN_NAMESPACES: Final = ("default", "kube-system", "kube-node-lease", "istio-system", "tandem-system")
MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
OURS: Final = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
"""Metadata that the server alone writes."""


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """What a request is about: a kind in the version asked for, and the object's place."""

    kind: Kind
    api_version: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


class _Undo(Exception):  # noqa: N818 - control flow of a dry run
    """Ends the transaction of a dry run."""


class Verbs:
    """The writing half of the API over one Store."""

    def __init__(self, store: Store, *, clock: Clock | None = None, services: ServiceNetwork = SERVICES) -> None:
        self.store = store
        self._services = services
        self._clock = clock or SystemClock()
        self._deletions = Deletions(store, self._clock)

    def ensure_built_in(self, first: Iterable[Raw] = ()) -> None:
        """Make the namespaces that must be there; what is there already stays as it is.

        `first`: objects without a namespace that a new store begins with, before any client could write others.
        """
        kind = BY_KIND["Namespace"]
        new = not self.store.select(kind)
        with self.store.transaction():
            for raw in first if new else ():
                where = Where(kind=BY_KIND[name_of(raw)], api_version=raw["apiVersion"])
                self.create(where, raw)
            for name in BUILT_IN_NAMESPACES:
                if self.store.get(kind, "", name) is None:
                    raw = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                    self.create(Where(kind=kind, api_version="v1"), raw)

    def create(self, where: Where, body: Raw, *, dry_run: bool = False) -> Record:
        """A new object, with uid, generation and defaults."""
        kind = where.kind
        raw = self._accept(where, body)
        meta = raw["metadata"]
        if meta.get("resourceVersion"):
            raise errors.Refusal(400, "resourceVersion should not be set on objects to be created")
        for field in (*OURS, "resourceVersion"):
            meta.pop(field, None)
        if not meta.get("name"):
            meta["name"] = f"{meta['generateName']}{_suffix()}"
        self._check_namespace(kind, where.namespace, meta["name"])
        if self.store.get(kind, where.namespace, meta["name"]) is not None:
            raise errors.already_exists(kind, meta["name"])
        raw = default(raw)
        born = {"uid": str(uuid.uuid4()), "generation": 1, "creationTimestamp": rfc3339(self._clock.now())}
        raw["metadata"].update(born)
        with self._write(dry_run=dry_run):
            made = self.store.put(kind, self._prepared(kind, raw, None))
            if kind.kind == "Namespace":
                self._default_account(made.name)
        return made

    def update(self, where: Where, body: Raw, *, dry_run: bool = False) -> Record:
        """The object replaced (its status only, for the status subresource); an equal one changes nothing."""
        kind, old = where.kind, self.current(where)
        if kind.kind == "Service" and where.subresource != "status":
            body = services.renamed(body, old.raw)
        raw = self._accept(where, body)
        self._check_version(old, raw["metadata"])
        if where.subresource == "status":
            new = {**old.raw, "status": raw.get("status", {})}
        else:
            raw = default(raw)
            kept = {k: old.meta[k] for k in OURS if k in old.meta}
            raw["metadata"] = {k: v for k, v in raw["metadata"].items() if k not in OURS} | kept
            if kind.status and "status" in old.raw:
                raw["status"] = old.raw["status"]
            new = self._prepared(kind, raw, old)
        new["metadata"] = {**new["metadata"], "resourceVersion": old.meta["resourceVersion"]}
        if new == old.raw:
            return old
        if _spec(new) != _spec(old.raw):
            new["metadata"]["generation"] = old.meta.get("generation", 1) + 1
        with self._write(dry_run=dry_run):
            made = self.store.put(kind, new)
            if "deletionTimestamp" in made.meta and not made.meta.get("finalizers"):
                self._finish(made)
        return made

    def patch(self, where: Where, patch: Any, media_type: str, *, dry_run: bool = False) -> Record:
        """The object changed by a merge, strategic merge or JSON patch."""
        old = self.current(where)
        base = {**old.raw, "apiVersion": where.api_version}
        base = eventforms.shown(base) if where.api_version == eventforms.OTHER else base
        try:
            raw = _patched(base, patch, media_type, where.kind)
        except PatchError as err:
            code = 422 if media_type == JSON_PATCH else 400
            raise errors.Refusal(code, f"the patch cannot be applied: {err}") from err
        if not isinstance(raw, dict):
            raise errors.Refusal(400, "the patched object is not an object")
        return self.update(where, raw, dry_run=dry_run)

    def delete(self, where: Where, options: Options, *, dry_run: bool = False) -> tuple[Record, bool]:
        """Delete an object: its last state, and whether it is gone (else it is terminating)."""
        old = self.current(where)
        with self._write(dry_run=dry_run):
            last = self._deletions.delete(old, options)
            gone = self.store.get(where.kind, *old.key) is None
        return last, gone

    def current(self, where: Where) -> Record:
        """The object; Refusal 404."""
        found = self.store.get(where.kind, where.namespace, where.name)
        if found is None:
            raise errors.not_found(where.kind, where.name)
        return found

    @contextmanager
    def _write(self, *, dry_run: bool) -> Iterator[None]:
        try:
            with self.store.transaction():
                yield
                if dry_run:
                    raise _Undo  # noqa: TRY301 - only an error leaves a transaction undone
        except _Undo:
            return

    def _accept(self, where: Where, body: Raw) -> Raw:
        """The body, checked against the path and the schema, in the storage version, without nulls."""
        kind = where.kind
        if not isinstance(body, dict):
            raise errors.Refusal(400, "the body is not an object")
        raw: Raw = without_null({"apiVersion": where.api_version, "kind": kind.kind, **body})
        if kind.status and where.subresource != "status":
            raw.pop("status", None)  # it is written there alone; Go's types send one that would not do
        for field, wanted in (("kind", kind.kind), ("apiVersion", where.api_version)):
            if raw[field] != wanted:
                raise errors.Refusal(400, f"{field}: {raw[field]!r} does not match {wanted!r} of the request's path")
        meta = raw.get("metadata")
        if isinstance(meta, dict):
            self._place(where, meta)
        wrong = validate(raw)
        if where.subresource == "status":  # the rest is not written, and may be from before a rule that it breaks
            wrong = [line for line in wrong if not line.startswith("spec")]
        if wrong:
            name = str(meta.get("name") or where.name) if isinstance(meta, dict) else where.name
            raise errors.invalid(kind, name, wrong)
        raw = eventforms.stored(raw) if where.api_version == eventforms.OTHER else raw
        raw["apiVersion"] = kind.api_version
        meta = raw["metadata"]
        meta.pop("managedFields", None)
        meta.pop("selfLink", None)
        return raw

    def _place(self, where: Where, meta: Raw) -> None:
        if where.kind.namespaced:
            meta.setdefault("namespace", where.namespace)
            if meta["namespace"] != where.namespace:
                text = "the namespace of the provided object does not match the namespace sent on the request"
                raise errors.Refusal(400, f"metadata.namespace: {text} ({meta['namespace']!r}, {where.namespace!r})")
        if where.name and meta.setdefault("name", where.name) != where.name:
            text = f"{meta['name']!r} does not match {where.name!r} of the request's path"
            raise errors.Refusal(400, f"metadata.name: {text}")

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        if not kind.namespaced:
            return
        space = self.store.get(BY_KIND["Namespace"], "", namespace)
        if space is None:
            raise errors.not_found(BY_KIND["Namespace"], namespace)
        if "deletionTimestamp" in space.meta:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise errors.forbidden(kind, name, why)

    def _check_version(self, old: Record, meta: Raw) -> None:
        asked = meta.get("resourceVersion")
        if asked and asked != old.meta["resourceVersion"]:
            why = "the object has been modified; please apply your changes to the latest version and try again"
            raise errors.conflict(old.kind, old.name, why)
        if meta.get("uid") and meta["uid"] != old.meta["uid"]:
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old.meta['uid']}"
            raise errors.conflict(old.kind, old.name, why)

    def _prepared(self, kind: Kind, raw: Raw, old: Record | None) -> Raw:
        """What depends on other objects, or on the object before."""
        if kind.kind == "Secret" and raw.get("stringData"):
            made = {k: base64.b64encode(v.encode()).decode() for k, v in raw.pop("stringData").items()}
            raw["data"] = {**(raw.get("data") or {}), **made}
        if kind.kind == "Service":
            raw = {**raw, "spec": self._addressed(kind, raw, old)}
        if kind.name in pools.KINDS:
            self._check_pool(kind, raw)
        if kind.kind == "Pod" and old is None:
            raw["status"] = {"phase": "Pending"}
        if old is not None:
            wrong = forbidden_changes(kind.name, old.raw, raw)
            if wrong:
                raise errors.invalid(kind, old.name, wrong)
        return raw

    def _check_pool(self, kind: Kind, raw: Raw) -> None:
        name = raw["metadata"]["name"]
        there = [(other, r) for other in pools.KINDS for r in self.store.select(BY_KIND[other])]
        others = [r.raw for other, r in there if (other, r.name) != (kind.name, name)]
        nodes = [r.raw for r in self.store.select(BY_KIND["Node"])]
        wrong = pools.clashes(raw, others, services=self._services.cidrs, nodes=nodes)
        if wrong:
            raise errors.invalid(kind, name, wrong)

    def _addressed(self, kind: Kind, raw: Raw, old: Record | None) -> Raw:
        meta = raw["metadata"]
        others = [r.raw.get("spec", {}) for r in self.store.select(kind) if old is None or r.key != old.key]
        before = old.raw["spec"] if old else None
        dns = (meta["namespace"], meta["name"]) == ("kube-system", "kube-dns")
        try:
            spec = services.with_address(raw["spec"], before, services.used(others), network=self._services, dns=dns)
            return with_node_ports(spec, before, used_ports(others))
        except services.AddressError as err:
            raise errors.invalid(kind, meta["name"], [str(err)]) from err

    def _default_account(self, namespace: str) -> None:
        kind = BY_KIND["ServiceAccount"]
        raw = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        self.create(Where(kind=kind, api_version="v1", namespace=namespace), raw)

    def _finish(self, record: Record) -> None:
        """An update took the last finalizer of a terminating object; Pods still wait for their runtime."""
        if record.kind.kind == "Namespace":
            self._deletions.finish_namespace(record.name)
        elif not record.meta.get("deletionGracePeriodSeconds"):
            self._deletions.remove(record)


def _patched(base: Raw, patch: Any, media_type: str, kind: Kind) -> Any:
    match media_type:
        case "application/json-patch+json":
            return json_patch(base, patch)
        case "application/merge-patch+json":
            return merge_patch(base, patch)
        case "application/strategic-merge-patch+json" if not _is_custom(kind):
            if not isinstance(patch, dict):
                raise PatchError("a strategic merge patch is an object")
            return strategic_merge(base, patch, kind.name)
    text = f"the patch type {media_type!r} is not supported for {kind.kind}; supported are {MERGE}, {JSON_PATCH}"
    raise errors.Refusal(415, text + ("" if _is_custom(kind) else f", {STRATEGIC}"))


def _is_custom(kind: Kind) -> bool:
    """True for kinds that are custom resources in a real cluster."""
    return kind.group.endswith((".istio.io", "gateway.networking.k8s.io", "policy.networking.k8s.io"))


def _spec(raw: Raw) -> Raw:
    """What a generation counts: everything but metadata and status."""
    return {k: v for k, v in raw.items() if k not in {"metadata", "status"}}


def _suffix() -> str:
    alphabet = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: no words
    return "".join(secrets.choice(alphabet) for _ in range(5))
