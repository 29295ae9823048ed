"""Watches over a store, without HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tandem.apiserver.errors import Refusal
from tandem.apiserver.selectors import parse_label_selector
from tandem.apiserver.store import Store
from tandem.apiserver.watch import StreamResponse, WatchRequest, lines
from tandem.model.kinds import BY_KIND

CM = BY_KIND["ConfigMap"]


def put(store: Store, name: str, namespace: str = "default", **labels: str) -> None:
    meta = {"name": name, "namespace": namespace, "labels": labels}
    with store.transaction():
        store.put(CM, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})


def remove(store: Store, name: str) -> None:
    record = store.get(CM, "default", name)
    assert record is not None
    with store.transaction():
        store.remove(record)


async def collect(store: Store, **fields: Any) -> list[tuple[str, str]]:
    """What a watch that ends at once says."""
    request = WatchRequest(kind=CM, api_version="v1", timeout=0.0, **fields)
    chunks = [chunk async for chunk in lines(store, request)]
    events = [json.loads(line) for line in b"".join(chunks).splitlines()]
    return [(e["type"], e["object"].get("metadata", {}).get("name", "")) for e in events]


def watched(store: Store, **fields: Any) -> list[tuple[str, str]]:
    return asyncio.run(collect(store, **fields))


def test_a_watch_without_a_version_begins_with_what_is_there() -> None:
    store = Store()
    put(store, "a")
    assert watched(store) == [("ADDED", "a")]
    assert watched(store, initial_end=True) == [("ADDED", "a"), ("BOOKMARK", "")]


def test_a_watch_goes_on_after_its_version() -> None:
    store = Store()
    put(store, "a")
    since = store.version
    put(store, "b")
    remove(store, "a")
    assert watched(store, since=since) == [("ADDED", "b"), ("DELETED", "a")]


def test_a_selector_turns_changes_into_coming_and_going() -> None:
    store = Store()
    since = store.version
    put(store, "a", app="x")
    put(store, "a", app="y")
    put(store, "a", app="x", n="1")
    put(store, "a", app="x", n="2")
    remove(store, "a")
    put(store, "other", app="y")
    found = watched(store, since=since, matches=parse_label_selector("app=x"))
    assert [kind for kind, _ in found] == ["ADDED", "DELETED", "ADDED", "MODIFIED", "DELETED"]


def test_other_namespaces_are_not_seen() -> None:
    store = Store()
    since = store.version
    put(store, "a", "one")
    put(store, "b", "two")
    assert watched(store, since=since, namespace="two") == [("ADDED", "b")]


def test_a_version_too_old_or_of_another_life_is_gone() -> None:
    store = Store(history=2)
    for i in range(5):
        put(store, f"a{i}")
    for since in (1, store.version + 1):
        with pytest.raises(Refusal) as caught:
            watched(store, since=since)
        assert caught.value.code == 410


def test_a_watcher_that_falls_behind_is_told_so() -> None:
    async def scenario() -> list[Any]:
        store = Store(history=2)
        put(store, "a")
        stream = lines(store, WatchRequest(kind=CM, api_version="v1", since=store.version))
        waiting = asyncio.ensure_future(anext(stream))  # noqa: TID251 - a test owns its tasks
        await asyncio.sleep(0)
        put(store, "b")
        first = json.loads(await waiting)
        for i in range(6):
            put(store, f"c{i}")
        return [first, json.loads(await anext(stream))]

    first, second = asyncio.run(scenario())
    assert first["object"]["metadata"]["name"] == "b"
    assert (second["type"], second["object"]["code"]) == ("ERROR", 410)


def test_the_end_of_the_server_ends_watches() -> None:
    async def scenario() -> list[bytes]:
        store = Store()
        asyncio.get_running_loop().call_soon(store.end_watches)
        return [c async for c in lines(store, WatchRequest(kind=CM, api_version="v1", since=store.version))]

    assert asyncio.run(scenario()) == []


def test_a_stream_stops_when_the_client_hangs_up() -> None:
    async def scenario() -> list[Any]:
        store, sent = Store(), []
        hung_up = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await hung_up.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message["type"])
            if len(sent) == 2:
                hung_up.set()

        request = WatchRequest(kind=CM, api_version="v1", since=store.version)
        await StreamResponse(lines(store, request), "application/json")({}, receive, send)
        return sent

    assert asyncio.run(scenario()) == ["http.response.start", "http.response.body"]
