"""API watch -> World: the newest value of everything that we know, for as long as it runs.

In: a client and kinds. Out: `informer.world`, a Cell. A policy that is not understood is closed where it is not
(`model/closing.py`); any other object that does not parse is left out, and told of by its name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Container, Iterable
from contextlib import aclosing
from typing import Final, Protocol

import msgspec
import structlog

from tandem.base.cell import Cell
from tandem.ingest.errors import ApiError, Gone, NotFound
from tandem.model.closing import CLOSING, read_policy
from tandem.model.kinds import Kind, name_of
from tandem.model.meta import Object, RawObject
from tandem.model.parse import ParseError, parse
from tandem.model.unreadable import UNREADABLE, not_understood, unreadable
from tandem.model.world import Key, World

log = structlog.get_logger(__name__)

_COALESCE: Final = 0.005
"""Seconds from one World to the next: the first event after a quiet time is one at once, those of a burst share one."""
_BACKOFF: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
_ABSENT_KIND: Final = 5.0
"""How often to look again for a kind that the server does not serve: a policy is in force seconds after its CRD."""


class Source(Protocol):
    """The part of KubeClient (and of FakeKube) that an Informer needs."""

    async def list(self, kind: Kind, namespace: str = "") -> tuple[list[RawObject], str]:
        """All objects and the version to watch from."""

    def watch(self, kind: Kind, resource_version: str) -> AsyncIterator[tuple[str, RawObject]]:
        """Events after that version."""


class Informer:
    """Keeps `world` newest while `run()` runs.

    The first World with content is put when every kind was listed; it is the first with `synced`.
    """

    def __init__(self, client: Source, kinds: Iterable[Kind]) -> None:
        self.world: Cell[World] = Cell(World())
        self._client = client
        self._kinds = tuple(kinds)
        self._listed: set[str] = set()
        self._served: dict[str, Kind] = {}
        self._changes: dict[str, dict[Key, Object | None]] = {}
        """By kind and name what the next World will have that the newest has not; None: no such object."""
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Follow every kind until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for kind in self._kinds:
                tasks.create_task(self._follow(kind))
            tasks.create_task(self._publish())

    def served(self, kind: Kind) -> Kind:
        """The kind in the one version in which the server has it: an older server may not have the newest."""
        return self._served.get(kind.name, kind)

    async def _follow(self, kind: Kind) -> None:
        version, failures, absent = "", 0, False
        while True:
            try:
                if not version:
                    version = await self._list(kind)
                    absent = False
                async with aclosing(self._events(kind, version)) as events:
                    async for version in events:  # noqa: B007 - read by the next round
                        failures = 0
                await asyncio.sleep(_BACKOFF[0])
            except Gone:
                version = ""
            except NotFound as err:
                if version:  # of the watch: the version may be gone, and the kind served in another
                    version = ""
                    await asyncio.sleep(_BACKOFF[0])
                    continue
                self._store(kind, {})
                self._forget(kind, ())
                if not absent:
                    log.warning("kind not served", kind=kind.kind, reason=err.message)
                absent = True
                await asyncio.sleep(_ABSENT_KIND)
            except ApiError as err:
                wait = _BACKOFF[min(failures, len(_BACKOFF) - 1)]
                failures += 1
                log.warning("watch broken", kind=kind.kind, reason=err.message, retry_seconds=wait)
                await asyncio.sleep(wait)

    async def _list(self, kind: Kind) -> str:
        items, version = await self._list_served(kind)
        objects: dict[Key, Object] = {}
        for raw in items:
            old = self._known(kind.name, _key(raw))
            if old is not None and old.metadata.resource_version == raw["metadata"].get("resourceVersion"):
                objects[old.key] = old
            elif (obj := self._read(raw)) is not None:
                objects[obj.key] = obj
        self._store(kind, objects)
        self._forget(kind, {_key(raw) for raw in items} - objects.keys())
        return version

    async def _list_served(self, kind: Kind) -> tuple[list[RawObject], str]:
        """In the first of the kind's versions that the server has; raises NotFound if it has none."""
        *newer, oldest = (msgspec.structs.replace(kind, versions=(v,)) for v in kind.versions)
        for served in newer:
            try:
                found = await self._client.list(served)
            except NotFound:
                continue
            self._served[kind.name] = served
            return found
        self._served[kind.name] = oldest
        return await self._client.list(oldest)

    async def _events(self, kind: Kind, version: str) -> AsyncGenerator[str, None]:
        """Apply events; yields the version up to which they were applied."""
        events = self._client.watch(self.served(kind), version)
        try:
            async for change, raw in events:
                if change != "BOOKMARK":
                    self._apply(kind, change, raw)
                yield str(raw["metadata"]["resourceVersion"])
        finally:
            await _close(events)

    def _apply(self, kind: Kind, change: str, raw: RawObject) -> None:
        obj = None
        if change == "DELETED":
            self._set(UNREADABLE, unreadable(raw).key, None)
        else:
            obj = self._read(raw)
        self._set(kind.name, _key(raw), obj)

    def _read(self, raw: RawObject) -> Object | None:
        """None, and told of: it cannot be read."""
        found, left_out = None, None
        try:
            if name_of(raw) in CLOSING:
                found = read_policy(raw)
            elif strange := not_understood(raw):
                left_out = unreadable(raw, *strange)
            else:
                found = parse(raw)
        except ParseError as err:
            left_out = unreadable(raw, str(err))
        why = left_out.metadata.unreadable if left_out else found.metadata.unreadable if found else ()
        if why:
            namespace, name = _key(raw)
            log.warning("object not understood", kind=raw.get("kind"), namespace=namespace, name=name, reason=why)
        self._set(UNREADABLE, unreadable(raw).key, left_out)
        return found

    def _set(self, kind: str, key: Key, obj: Object | None) -> None:
        if obj is not None or self._known(kind, key) is not None:
            self._changes.setdefault(kind, {})[key] = obj
            self._changed.set()

    def _forget(self, kind: Kind, kept: Container[Key]) -> None:
        """Of the unreadable objects of a kind, those that the API has no longer."""
        known = {**self.world.value.table(UNREADABLE), **self._changes.get(UNREADABLE, {})}
        for key, obj in known.items():
            if obj is not None and obj.kind == kind.name and (key[0], obj.metadata.name) not in kept:
                self._set(UNREADABLE, key, None)

    def _known(self, kind: str, key: Key) -> Object | None:
        pending = self._changes.get(kind, {})
        if key in pending:
            return pending[key]
        known: Object | None = self.world.value.table(kind).get(key)
        return known

    def _store(self, kind: Kind, objects: dict[Key, Object]) -> None:
        """These and no others; the very same object is no change."""
        known = self.world.value.table(kind.name)
        gone = dict.fromkeys(known.keys() - objects.keys())
        self._changes[kind.name] = {**gone, **{k: o for k, o in objects.items() if known.get(k) is not o}}
        if self._changes[kind.name] or kind.name not in self._listed:
            self._listed.add(kind.name)
            self._changed.set()

    async def _publish(self) -> None:
        due, now = 0.0, asyncio.get_running_loop().time
        while True:
            await self._changed.wait()
            await asyncio.sleep(max(due - now(), 0.0))
            due = now() + _COALESCE
            self._changed.clear()
            if len(self._listed) < len(self._kinds):
                continue
            world = self.world.value
            for kind in sorted(self._changes):
                world = world.with_changes(kind, self._changes[kind], synced=True)
            self._changes.clear()
            self.world.put(world)


def _key(raw: RawObject) -> Key:
    meta = raw["metadata"]
    return str(meta.get("namespace") or ""), str(meta["name"])


async def _close(events: AsyncIterator[tuple[str, RawObject]]) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()
