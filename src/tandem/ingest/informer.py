"""API watch -> World: the newest value of everything that we know, for as long as it runs.

In: a client and kinds. Out: `informer.world`, a Cell. What does not parse is left out and logged with its name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Final, Protocol

import structlog

from tandem.base.cell import Cell
from tandem.ingest.errors import ApiError, Gone, NotFound
from tandem.model.kinds import Kind
from tandem.model.meta import Object, RawObject
from tandem.model.parse import ParseError, parse
from tandem.model.world import Key, World

log = structlog.get_logger(__name__)

_COALESCE: Final = 0.005
"""Seconds from one World to the next: the first event after a quiet time is one at once, those of a burst share one."""
_BACKOFF: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
_ABSENT_KIND: Final = 30.0
"""How often to look again for a kind that the server does not serve (its CRD is not installed)."""


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
        self._changes: dict[str, dict[Key, Object | None]] = {}
        """By kind and name what the next World will have that the newest has not; None: no such object."""
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Follow every kind until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for kind in self._kinds:
                tasks.create_task(self._follow(kind))
            tasks.create_task(self._publish())

    async def _follow(self, kind: Kind) -> None:
        version, failures = "", 0
        while True:
            try:
                if not version:
                    version = await self._list(kind)
                async with aclosing(self._events(kind, version)) as events:
                    async for version in events:  # noqa: B007 - read by the next round
                        failures = 0
                await asyncio.sleep(_BACKOFF[0])
            except Gone:
                version = ""
            except NotFound as err:
                self._store(kind, {})
                version = ""
                log.warning("kind not served", kind=kind.kind, reason=err.message)
                await asyncio.sleep(_ABSENT_KIND)
            except ApiError as err:
                wait = _BACKOFF[min(failures, len(_BACKOFF) - 1)]
                failures += 1
                log.warning("watch broken", kind=kind.kind, reason=err.message, retry_seconds=wait)
                await asyncio.sleep(wait)

    async def _list(self, kind: Kind) -> str:
        items, version = await self._client.list(kind)
        objects: dict[Key, Object] = {}
        for raw in items:
            old = self._known(kind, _key(raw))
            if old is not None and old.metadata.resource_version == raw["metadata"].get("resourceVersion"):
                objects[old.key] = old
            elif (obj := _parsed(raw)) is not None:
                objects[obj.key] = obj
        self._store(kind, objects)
        return version

    async def _events(self, kind: Kind, version: str) -> AsyncGenerator[str, None]:
        """Apply events; yields the version up to which they were applied."""
        events = self._client.watch(kind, version)
        try:
            async for change, raw in events:
                if change != "BOOKMARK":
                    self._apply(kind, change, raw)
                yield str(raw["metadata"]["resourceVersion"])
        finally:
            await _close(events)

    def _apply(self, kind: Kind, change: str, raw: RawObject) -> None:
        obj = None if change == "DELETED" else _parsed(raw)
        key = _key(raw)
        if obj is not None or self._known(kind, key) is not None:
            self._changes.setdefault(kind.kind, {})[key] = obj
            self._changed.set()

    def _known(self, kind: Kind, key: Key) -> Object | None:
        pending = self._changes.get(kind.kind, {})
        if key in pending:
            return pending[key]
        known: Object | None = self.world.value.table(kind.kind).get(key)
        return known

    def _store(self, kind: Kind, objects: dict[Key, Object]) -> None:
        """These and no others; the very same object is no change."""
        known = self.world.value.table(kind.kind)
        gone = dict.fromkeys(known.keys() - objects.keys())
        self._changes[kind.kind] = {**gone, **{k: o for k, o in objects.items() if known.get(k) is not o}}
        self._listed.add(kind.kind)
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


def _parsed(raw: RawObject) -> Object | None:
    try:
        return parse(raw)
    except ParseError as err:
        namespace, name = _key(raw)
        log.warning("object left out", kind=raw.get("kind"), namespace=namespace, name=name, reason=str(err))
        return None


async def _close(events: AsyncIterator[tuple[str, RawObject]]) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()
