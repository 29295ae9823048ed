"""Objects and their changes: all in memory, each write also in SQLite (WAL), so that a kill loses nothing committed.

In: records from `verbs.py`, inside `with store.transaction()`. Out: lookups, lists and watches. One event loop owns a
Store; nothing here waits. resourceVersion is one counter for all kinds and goes on after a restart.
"""

from __future__ import annotations

import asyncio
import bisect
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from tandem.apiserver import definitions
from tandem.apiserver.records import Event, Raw, Record
from tandem.model.kinds import BY_KIND, KINDS, Kind

HISTORY: Final = 4096
"""Changes kept per kind for watches that come back."""
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
  kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (kind, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL);
INSERT OR IGNORE INTO counter VALUES (1, 1);
"""
Key = tuple[str, str]


class TooOldError(Exception):
    """A watch asks for changes that are no longer kept."""


class _Log:
    """The kept changes of one kind, and the bell that rings when there is a new one."""

    def __init__(self, start: int) -> None:
        self.events: list[Event] = []
        self.dropped = start
        self.bell = asyncio.Event()


class StorageError(Exception):
    """The disk took nothing; the state is as before."""


class Store:
    """The embedded API server's state. `path` None keeps nothing on disk."""

    def __init__(self, path: Path | None = None, *, history: int = HISTORY) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite gives -wal and -shm the same mode
        self._db = sqlite3.connect(":memory:" if path is None else str(path), isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        self._version: int = self._db.execute("SELECT version FROM counter").fetchone()[0]
        self._history = history
        kinds = (*KINDS, definitions.KIND)
        self._objects: dict[str, dict[Key, Record]] = {k.name: {} for k in kinds}
        self._owned: dict[str, set[tuple[str, Key]]] = {}
        self._logs = {k.name: _Log(self._version) for k in kinds}
        self._pending: list[Event] | None = None
        self.ended = False
        for kind, body in self._db.execute("SELECT kind, body FROM objects"):
            if kind in BY_KIND:
                self._place(Record(BY_KIND[kind], msgspec.json.decode(body)))
        for record in definitions.records():
            self._place(record)

    @property
    def version(self) -> int:
        """The newest resourceVersion."""
        return self._version

    def get(self, kind: Kind, namespace: str, name: str) -> Record | None:
        """One object, or None."""
        return self._objects[kind.name].get((namespace, name))

    def select(self, kind: Kind, namespace: str = "") -> list[Record]:
        """The objects of a kind (in one namespace), sorted by (namespace, name)."""
        objects = self._objects[kind.name]
        keys = sorted(k for k in objects if k[0] == namespace) if namespace else sorted(objects)
        return [objects[k] for k in keys]

    def in_namespace(self, namespace: str) -> list[Record]:
        """Every object in a namespace, in the order of the kinds."""
        return [r for kind in KINDS if kind.namespaced for r in self.select(kind, namespace)]

    def owned_by(self, uid: str) -> list[Record]:
        """The objects that name this uid in their ownerReferences, sorted."""
        return [self._objects[kind][key] for kind, key in sorted(self._owned.get(uid, ()))]

    def has_uid(self, uid: str) -> bool:
        """True if some object has this uid."""
        return any(r.meta.get("uid") == uid for objects in self._objects.values() for r in objects.values())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group writes: one commit, then the watchers see them. An error inside undoes all; nesting joins the outer."""
        if self._pending is not None:
            yield
            return
        self._pending = []
        before = self._version
        self._db.execute("BEGIN")
        try:
            yield
            self._db.execute("UPDATE counter SET version = ?", (self._version,))
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:  # where the disk is full, SQLite has rolled back itself
                self._db.execute("ROLLBACK")
            self._undo(before)
            if isinstance(error, sqlite3.Error):
                raise StorageError(f"nothing was written: {error}") from error
            raise
        events, self._pending = self._pending, None
        for event in events:
            self._publish(event)

    def put(self, kind: Kind, raw: Raw) -> Record:
        """Store an object under the next resourceVersion, written into its metadata. The Store now owns `raw`."""
        assert self._pending is not None, "put outside a transaction"  # noqa: S101
        self._version += 1
        raw["metadata"]["resourceVersion"] = str(self._version)
        record = Record(kind, raw)
        before = self.get(kind, *record.key)
        body = record.encode(kind.api_version)
        self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (kind.name, *record.key, body))
        self._place(record)
        self._pending.append(Event("MODIFIED" if before else "ADDED", record, before, self._version))
        return record

    def remove(self, record: Record) -> Record:
        """Remove an object; what comes back is its last state, under the resourceVersion of the removal."""
        assert self._pending is not None, "remove outside a transaction"  # noqa: S101
        self._version += 1
        meta = {**record.meta, "resourceVersion": str(self._version)}
        last = Record(record.kind, {**record.raw, "metadata": meta})
        where = (record.kind.name, *record.key)
        self._db.execute("DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?", where)
        self._drop(record)
        self._pending.append(Event("DELETED", last, record, self._version))
        return last

    def changes(self, kind: Kind, since: int) -> list[Event]:
        """The changes of a kind after `since`; raises TooOldError if some of them are no longer kept."""
        log = self._logs[kind.name]
        if since < log.dropped:
            raise TooOldError(f"too old resource version: {since} ({log.dropped})")
        return log.events[bisect.bisect_right(log.events, since, key=lambda e: e.version) :]

    def bell(self, kind: Kind) -> asyncio.Event:
        """Rings at the next change of a kind, once; take it before reading `changes`."""
        return self._logs[kind.name].bell

    def end_watches(self) -> None:
        """Let every watch finish: the server is about to stop."""
        self.ended = True
        for log in self._logs.values():
            log.bell.set()

    def close(self) -> None:
        """Close the file."""
        self.end_watches()
        self._db.close()

    def _publish(self, event: Event) -> None:
        log = self._logs[event.record.kind.name]
        log.events.append(event)
        # Half as much again before cutting: a cut moves the whole list.
        if len(log.events) > self._history + self._history // 2:
            cut = len(log.events) - self._history
            log.dropped = log.events[cut - 1].version
            del log.events[:cut]
        log.bell.set()
        log.bell = asyncio.Event()

    def _place(self, record: Record) -> None:
        objects = self._objects[record.kind.name]
        if record.key in objects:
            self._drop(objects[record.key])
        objects[record.key] = record
        for uid in _owners(record.raw):
            self._owned.setdefault(uid, set()).add((record.kind.name, record.key))

    def _drop(self, record: Record) -> None:
        del self._objects[record.kind.name][record.key]
        for uid in _owners(record.raw):
            children = self._owned.get(uid, set())
            children.discard((record.kind.name, record.key))
            if not children:
                self._owned.pop(uid, None)

    def _undo(self, version: int) -> None:
        events, self._pending, self._version = self._pending or [], None, version
        for event in reversed(events):
            if event.type != "DELETED":
                self._drop(event.record)
            if event.before is not None:
                self._place(event.before)


def _owners(raw: Mapping[str, Raw]) -> list[str]:
    return [ref["uid"] for ref in raw["metadata"].get("ownerReferences") or () if ref.get("uid")]
