"""The reading half of the API: get, list, watch, in the form that the client accepts (JSON or Table)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp

from tandem.apiserver import watch
from tandem.apiserver.columns import table
from tandem.apiserver.errors import Refusal
from tandem.apiserver.records import Record, dumps
from tandem.apiserver.selectors import Predicate, both, parse_field_selector, parse_label_selector
from tandem.apiserver.store import Store
from tandem.apiserver.verbs import Where
from tandem.base.clock import Clock

Query = Mapping[str, str]


class Reader:
    """Answers GET requests from a Store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def one(self, where: Where, record: Record, accept: str, *, status: int = 200) -> Response:
        """One object."""
        if wants_table(accept):
            return reply(self._table(where, [record], {}), status=status)
        return Response(record.encode(where.api_version), status, media_type="application/json")

    def collection(self, where: Where, query: Query, accept: str) -> Response:
        """A list, in pieces of `limit` if there is one."""
        matches = _selected(query, where)
        found = [r for r in self._store.select(where.kind, where.namespace) if matches is None or matches(r.raw)]
        meta: dict[str, Any] = {"resourceVersion": str(self._store.version)}
        limit = _number(query, "limit", 0)
        if query.get("continue"):
            meta["resourceVersion"], after = _read_token(query["continue"])
            found = [r for r in found if r.key > after]
        if limit and len(found) > limit:
            meta["remainingItemCount"] = len(found) - limit
            found = found[:limit]
            meta["continue"] = _token(meta["resourceVersion"], found[-1].key)
        if wants_table(accept):
            made = self._table(where, found, query)
            made["metadata"] = meta
            return reply(made)
        head = f'{{"kind":"{where.kind.kind}List","apiVersion":"{where.api_version}","metadata":'.encode()
        items = b",".join(r.encode(where.api_version) for r in found)
        return Response(head + dumps(meta) + b',"items":[' + items + b"]}", media_type="application/json")

    def watch(self, where: Where, query: Query, accept: str) -> ASGIApp:
        """A watch; Refusal 410 where it would begin too far back."""
        matches = _selected(query, where)
        if where.name:
            matches = both(matches, parse_field_selector(f"metadata.name={where.name}", where.kind))
        since = query.get("resourceVersion", "")
        request = watch.WatchRequest(
            kind=where.kind,
            api_version=where.api_version,
            namespace=where.namespace,
            matches=matches,
            since=None if since in {"", "0"} else _number(query, "resourceVersion", 0),
            timeout=float(_number(query, "timeoutSeconds", 3600) or 3600),
            bookmarks=query.get("allowWatchBookmarks") in {"true", "1"},
            initial_end=query.get("sendInitialEvents") in {"true", "1"},
            render=(lambda record: dumps(self._table(where, [record], query))) if wants_table(accept) else None,
        )
        if request.since is not None:
            watch.check_since(self._store, request)
        return watch.StreamResponse(watch.lines(self._store, request), "application/json")

    def _table(self, where: Where, records: list[Record], query: Query) -> dict[str, Any]:
        whole = query.get("includeObject") == "Object"
        now = self._clock.now()
        return table(where.kind.name, records, now, version=str(self._store.version), whole=whole)


def _selected(query: Query, where: Where) -> Predicate | None:
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    return both(parse_label_selector(labels), parse_field_selector(fields, where.kind))


def reply(value: Any, *, status: int = 200) -> Response:
    """A JSON response."""
    return Response(dumps(value), status, media_type="application/json")


def wants_table(accept: str) -> bool:
    """True if the client's first choice is a meta.k8s.io/v1 Table."""
    first = accept.partition(",")[0].replace(" ", "")
    return "as=Table" in first and "g=meta.k8s.io" in first and "v=v1beta1" not in first


def _number(query: Query, name: str, missing: int) -> int:
    text = query.get(name, "")
    if not text:
        return missing
    if not (text.isascii() and text.isdigit()):
        raise Refusal(400, f"{name}: {text!r} is not a number")
    return int(text)


def _token(version: str, key: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(dumps([version, *key])).decode()


def _read_token(text: str) -> tuple[str, tuple[str, str]]:
    try:
        version, namespace, name = msgspec.json.decode(base64.urlsafe_b64decode(text), type=tuple[str, str, str])
    except (binascii.Error, ValueError, msgspec.MsgspecError) as err:
        raise Refusal(400, "continue: not a token of this server") from err
    return version, (namespace, name)
