"""One stored object and one change of it, with the bytes that go over the wire, each made once."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tandem.apiserver import eventforms
from tandem.model.kinds import Kind

Raw = dict[str, Any]
_encode = msgspec.json.Encoder().encode
KEY_ORDER: Final = ("kind", "metadata", "spec", "status")


class Record:
    """An object at one resourceVersion. Nobody may change `raw` or anything inside it."""

    __slots__ = ("_tail", "kind", "name", "namespace", "raw", "version")

    def __init__(self, kind: Kind, raw: Raw) -> None:
        meta = raw["metadata"]
        self.kind = kind
        self.raw = raw
        self.namespace: str = meta.get("namespace", "")
        self.name: str = meta["name"]
        self.version = int(meta["resourceVersion"])
        self._tail: bytes | None = None

    @property
    def meta(self) -> Raw:
        """The object's metadata."""
        meta: Raw = self.raw["metadata"]
        return meta

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.namespace, self.name

    def encode(self, api_version: str) -> bytes:
        """The object as JSON in one of its served versions, which differ in nothing but their name, but for Events."""
        if api_version == eventforms.OTHER:
            return _encode(eventforms.shown(self.raw))
        if self._tail is None:
            ordered = {k: self.raw[k] for k in KEY_ORDER if k in self.raw}
            rest = {k: v for k, v in self.raw.items() if k not in ordered and k != "apiVersion"}
            self._tail = _encode({**ordered, **rest})[1:]
        return b'{"apiVersion":"' + api_version.encode() + b'",' + self._tail


class Event:
    """A change: ADDED, MODIFIED or DELETED, with the object before (None if it is new)."""

    __slots__ = ("_lines", "before", "record", "type", "version")

    def __init__(self, type_: str, record: Record, before: Record | None, version: int) -> None:
        self.type = type_
        self.record = record
        self.before = before
        self.version = version
        self._lines: dict[tuple[str, str], bytes] = {}

    def line(self, api_version: str, as_type: str = "") -> bytes:
        """The watch line; `as_type` overrides the type for a watcher whose selector sees it differently."""
        key = (as_type or self.type, api_version)
        found = self._lines.get(key)
        if found is None:
            found = self._lines[key] = watch_line(key[0], self.record.encode(api_version))
        return found


def watch_line(type_: str, body: bytes) -> bytes:
    """One line of a watch."""
    return b'{"type":"' + type_.encode() + b'","object":' + body + b"}\n"


def dumps(value: Any) -> bytes:
    """JSON."""
    return _encode(value)
