"""An API server in memory behind KubeClient's methods: it stores, versions, refuses and watches as the real one does.

For tests of what talks to the API. `tests/contract/test_kube.py` holds it to the real server's behaviour.
"""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from tandem.base.clock import Clock, FixedClock, rfc3339
from tandem.base.digest import digest
from tandem.ingest.errors import AlreadyExists, ApiError, Conflict, Gone, NotFound
from tandem.model.kinds import BY_KIND, Kind, name_of
from tandem.model.meta import RawObject

_Key = tuple[str, str, str]
_SERVER_OWNED: Final = ("uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    version: int
    last: RawObject
    old: RawObject | None
    new: RawObject | None


class FakeKube:
    """Objects by (kind, namespace, name), and the history of their changes."""

    def __init__(self, objects: Iterable[RawObject] = (), *, clock: Clock | None = None) -> None:
        self.server = "fake://"
        self.namespace = "default"
        self._clock = clock or FixedClock()
        self._objects: dict[_Key, RawObject] = {}
        self._history: list[_Change] = []
        self._compacted = 0
        self._version = 0
        self._changed = asyncio.Event()
        self._failures: list[ApiError] = []
        self._breaks: list[ApiError] = []
        for raw in objects:
            self._create(BY_KIND[name_of(raw)], raw)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Nothing to close."""

    def fail_next(self, error: ApiError) -> None:
        """The next call (not: a running watch) raises `error`; several queue up."""
        self._failures.append(error)

    def break_watches(self, error: ApiError) -> None:
        """Every running watch raises `error`."""
        self._breaks.append(error)
        self._wake()

    def compact(self) -> None:
        """Forget the history: whoever watches from an older version gets Gone."""
        self._compacted = self._version
        self._history.clear()
        self._wake()

    async def list(
        self, kind: Kind, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> tuple[list[RawObject], str]:
        """As KubeClient.list; of field selectors only those that ask for equality."""
        self._may_fail()
        chosen = _chooser(kind, namespace, label_selector)
        objects = [o for key, o in sorted(self._objects.items()) if chosen(o) and _has_fields(o, field_selector)]
        found = [copy.deepcopy(o) for o in objects]
        return found, str(self._version)

    async def get(self, kind: Kind, namespace: str, name: str) -> RawObject:
        """As KubeClient.get."""
        self._may_fail()
        return copy.deepcopy(self._existing(kind, namespace, name))

    async def create(self, kind: Kind, raw: RawObject) -> RawObject:
        """As KubeClient.create."""
        self._may_fail()
        return copy.deepcopy(self._create(kind, raw))

    async def replace(self, kind: Kind, raw: RawObject, *, subresource: str = "") -> RawObject:
        """As KubeClient.replace."""
        self._may_fail()
        meta = raw["metadata"]
        old = self._existing(kind, str(meta.get("namespace") or "default"), str(meta["name"]))
        return copy.deepcopy(self._update(kind, old, copy.deepcopy(raw), subresource))

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], *, subresource: str = ""
    ) -> RawObject:
        """As KubeClient.patch."""
        self._may_fail()
        old = self._existing(kind, namespace, name)
        return copy.deepcopy(self._update(kind, old, merge_patch(copy.deepcopy(old), patch), subresource))

    async def delete(self, kind: Kind, namespace: str, name: str, *, grace_seconds: int | None = None) -> None:
        """As KubeClient.delete: a scheduled Pod stays, marked, until somebody deletes it with a grace of 0."""
        self._may_fail()
        old = self._existing(kind, namespace, name)
        meta = old["metadata"]
        spec = old.get("spec") or {}
        grace = 0
        if kind.kind == "Pod" and spec.get("nodeName"):
            grace = int(spec.get("terminationGracePeriodSeconds", 30)) if grace_seconds is None else grace_seconds
        if grace == 0 and not meta.get("finalizers"):
            self._remove(copy.deepcopy(old))
        elif "deletionTimestamp" not in meta or grace < int(meta.get("deletionGracePeriodSeconds", 0)):
            new = copy.deepcopy(old)
            new["metadata"]["deletionTimestamp"] = rfc3339(self._clock.now() + grace)
            new["metadata"]["deletionGracePeriodSeconds"] = grace
            self._put(new)

    async def watch(
        self,
        kind: Kind,
        resource_version: str,
        *,
        namespace: str = "",
        label_selector: str = "",
    ) -> AsyncGenerator[tuple[str, RawObject], None]:
        """As KubeClient.watch; an object that leaves the selection is DELETED for this watcher, as with a real one."""
        self._may_fail()
        seen, broken = int(resource_version or self._version), len(self._breaks)
        chosen = _chooser(kind, namespace, label_selector)
        while True:
            if len(self._breaks) > broken:
                raise self._breaks[-1]
            if seen < self._compacted:
                raise Gone(410, "Expired", f"too old resource version: {seen} ({self._compacted})")
            for change in [c for c in self._history if c.version > seen]:
                seen = change.version
                was = change.old is not None and chosen(change.old)
                now = change.new is not None and chosen(change.new)
                if was or now:
                    event = "MODIFIED" if was and now else "ADDED" if now else "DELETED"
                    yield event, copy.deepcopy(change.last)
            if seen == self._version and len(self._breaks) == broken:
                await self._changed.wait()

    def _create(self, kind: Kind, raw: RawObject) -> RawObject:
        new = copy.deepcopy(raw)
        meta = new.setdefault("metadata", {})
        if kind.namespaced:
            meta["namespace"] = meta.get("namespace") or "default"
        else:
            meta.pop("namespace", None)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + digest(f"{self._version}", 5)
        if not meta.get("name"):
            raise ApiError(
                422, "Invalid", f"{kind.kind}: metadata.name: Required value: name or generateName is required"
            )
        if _key(new) in self._objects:
            raise AlreadyExists(409, "AlreadyExists", f'{kind.plural} "{meta["name"]}" already exists')
        meta["uid"] = meta.get("uid") or _uid(f"{_key(new)}{self._version}")
        meta["creationTimestamp"] = meta.get("creationTimestamp") or rfc3339(self._clock.now())
        meta["generation"] = 1
        return self._put(new)

    def _update(self, kind: Kind, old: RawObject, new: RawObject, subresource: str) -> RawObject:
        meta = new["metadata"]
        if meta.get("resourceVersion", old["metadata"]["resourceVersion"]) != old["metadata"]["resourceVersion"]:
            raise Conflict(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {kind.plural} "{meta["name"]}": the object has been modified; '
                "please apply your changes to the latest version and try again",
            )
        if subresource == "status" and kind.status:
            new = {**copy.deepcopy(old), "status": new.get("status", {})}
        elif subresource:
            raise NotFound(404, "NotFound", f"{kind.plural}/{subresource} not found")
        else:
            new = _keep_what_the_server_owns(kind, old, new)
        if new == old:
            return old
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers") and kind.kind != "Pod":
            return self._remove(new)
        return self._put(new)

    def _existing(self, kind: Kind, namespace: str, name: str) -> RawObject:
        found = self._objects.get((kind.name, namespace if kind.namespaced else "", name))
        if found is None:
            raise NotFound(404, "NotFound", f'{kind.plural} "{name}" not found')
        return found

    def _put(self, raw: RawObject) -> RawObject:
        old = self._objects.get(_key(raw))
        self._objects[_key(raw)] = raw
        return self._record(raw, old=old, new=raw)

    def _remove(self, raw: RawObject) -> RawObject:
        return self._record(raw, old=self._objects.pop(_key(raw)), new=None)

    def _record(self, last: RawObject, *, old: RawObject | None, new: RawObject | None) -> RawObject:
        self._version += 1
        last["metadata"]["resourceVersion"] = str(self._version)
        self._history.append(_Change(version=self._version, last=copy.deepcopy(last), old=old, new=copy.deepcopy(new)))
        self._wake()
        return last

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _may_fail(self) -> None:
        if self._failures:
            raise self._failures.pop(0)


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: null removes, mappings merge, everything else replaces. Changes `target`."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    merged = target if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def matches_labels(selector: str, labels: Mapping[str, str]) -> bool:
    """`a=b,c!=d,e in (x,y),f notin (x),g,!h`, as `kubectl -l` takes it."""
    return all(_requirement(part.strip(), labels) for part in re.split(r",(?![^(]*\))", selector) if part.strip())


def _requirement(text: str, labels: Mapping[str, str]) -> bool:
    if found := re.fullmatch(r"(\S+)\s+(in|notin)\s*\((.*)\)", text):
        values = {v.strip() for v in found[3].split(",")}
        return (labels.get(found[1]) in values) == (found[2] == "in")
    if found := re.fullmatch(r"([^=!\s]+)\s*(==|=|!=)\s*(\S*)", text):
        return (labels.get(found[1]) == found[3]) == (found[2] != "!=")
    if text.startswith("!"):
        return text[1:].strip() not in labels
    return text in labels


def _has_fields(raw: RawObject, selector: str) -> bool:
    for part in filter(None, selector.split(",")):
        path, _, wanted = part.partition("=")
        value: Any = raw
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if str(value or "") != wanted:
            return False
    return True


def _chooser(kind: Kind, namespace: str, label_selector: str) -> Callable[[RawObject], bool]:
    def chosen(raw: RawObject) -> bool:
        meta = raw["metadata"]
        return (
            name_of(raw) == kind.name
            and (not namespace or not kind.namespaced or meta.get("namespace") == namespace)
            and matches_labels(label_selector, meta.get("labels") or {})
        )

    return chosen


def _keep_what_the_server_owns(kind: Kind, old: RawObject, new: RawObject) -> RawObject:
    meta = new["metadata"]
    if kind.status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = copy.deepcopy(old["status"])
    for name in _SERVER_OWNED:
        meta.pop(name, None)
        if name in old["metadata"]:
            meta[name] = old["metadata"][name]
    if kind.namespaced:
        meta["namespace"] = old["metadata"]["namespace"]
    if _meaning(new) != _meaning(old):
        meta["generation"] = int(old["metadata"].get("generation", 1)) + 1
    return new


def _key(raw: RawObject) -> _Key:
    meta = raw["metadata"]
    return name_of(raw), str(meta.get("namespace") or ""), str(meta["name"])


def _meaning(raw: RawObject) -> RawObject:
    return {k: v for k, v in raw.items() if k not in {"metadata", "status"}}


def _uid(seed: str) -> str:
    d = digest(seed, 32)
    return f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}"
