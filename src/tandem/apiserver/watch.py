"""A watch: changes of a kind as JSON lines, until the client hangs up, the time is over or the server stops.

In: a Store and what to watch; out: an ASGI response. Each change is encoded once for all watchers (`records.Event`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import msgspec
from starlette.types import Receive, Scope, Send

from tandem.apiserver.errors import gone
from tandem.apiserver.records import Event, Record, dumps, watch_line
from tandem.apiserver.selectors import Predicate
from tandem.apiserver.store import Store, TooOldError
from tandem.model.kinds import Kind

BOOKMARK_EVERY: Final = 30.0
INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


class WatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to watch. `since` None starts with the objects that are there; `render` replaces the object's own form."""

    kind: Kind
    api_version: str
    namespace: str = ""
    matches: Predicate | None = None
    since: int | None = None
    timeout: float = 3600.0
    bookmarks: bool = False
    initial_end: bool = False
    """After the objects that are there, a bookmark says so (sendInitialEvents)."""
    render: Callable[[Record], bytes] | None = None


async def lines(store: Store, request: WatchRequest) -> AsyncIterator[bytes]:
    """The watch's lines, joined where several are due at once; raises Refusal 410 before the first one only."""
    since = store.version if request.since is None else request.since
    if request.since is None:
        yield b"".join(_present(store, request))
    else:
        check_since(store, request)
    clock = asyncio.get_running_loop()
    end = clock.time() + request.timeout
    quiet = False
    while not store.ended:
        bell = store.bell(request.kind)
        try:
            events = store.changes(request.kind, since)
        except TooOldError as err:
            yield watch_line("ERROR", dumps(gone(str(err)).status))
            return
        if events:
            since = events[-1].version
            yield b"".join(line for e in events if (line := _line(e, request)))
        elif quiet and request.bookmarks:
            since = store.version
            yield _bookmark(request, since)
        left = end - clock.time()
        if left <= 0:
            return
        try:
            async with asyncio.timeout(min(left, BOOKMARK_EVERY)):
                await bell.wait()
            quiet = False
        except TimeoutError:
            quiet = True


def check_since(store: Store, request: WatchRequest) -> None:
    """Refusal 410 if the watch cannot begin where it asks to."""
    since = request.since or 0
    try:
        store.changes(request.kind, since)
    except TooOldError as err:
        raise gone(str(err)) from err
    if since > store.version:  # of another life of this server, whose file is gone
        raise gone(f"too large resource version: {since} ({store.version})")


def _present(store: Store, request: WatchRequest) -> list[bytes]:
    records = store.select(request.kind, request.namespace)
    seen = [r for r in records if request.matches is None or request.matches(r.raw)]
    found = [watch_line("ADDED", _body(r, request)) for r in seen]
    if request.initial_end:
        found.append(_bookmark(request, store.version, initial=True))
    return found


def _body(record: Record, request: WatchRequest) -> bytes:
    return request.render(record) if request.render else record.encode(request.api_version)


def _line(event: Event, request: WatchRequest) -> bytes:
    if request.namespace and event.record.namespace != request.namespace:
        return b""
    seen_as = _seen_as(event, request.matches)
    if not seen_as:
        return b""
    if request.render:
        return watch_line(seen_as, request.render(event.record))
    return event.line(request.api_version, seen_as)


def _seen_as(event: Event, matches: Predicate | None) -> str:
    """An object that begins to match is ADDED for this watcher, one that ceases to is DELETED; "" is not seen."""
    if matches is None:
        return event.type
    before = event.before is not None and matches(event.before.raw)
    after = event.type != "DELETED" and matches(event.record.raw)
    if after:
        return "MODIFIED" if before else "ADDED"
    return "DELETED" if before else ""


def _bookmark(request: WatchRequest, version: int, *, initial: bool = False) -> bytes:
    meta: dict[str, Any] = {"resourceVersion": str(version)}
    if initial:
        meta["annotations"] = {INITIAL_EVENTS_END: "true"}
    body = {"kind": request.kind.kind, "apiVersion": request.api_version, "metadata": meta}
    return watch_line("BOOKMARK", dumps(body))


class StreamResponse:
    """An ASGI response that sends chunks as they come and stops when the client hangs up."""

    def __init__(self, chunks: AsyncIterator[bytes], media_type: str) -> None:
        self._chunks = chunks
        self._media_type = media_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        del scope
        headers = [(b"content-type", self._media_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with asyncio.TaskGroup() as tasks:
            pump = tasks.create_task(self._pump(send))
            listener = tasks.create_task(_until_hung_up(receive, pump))
            pump.add_done_callback(lambda _: listener.cancel())

    async def _pump(self, send: Send) -> None:
        # An empty chunk first: headers must reach the client before the first change does.
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        async for chunk in self._chunks:
            if chunk:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_hung_up(receive: Receive, pump: asyncio.Task[None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    pump.cancel()
