"""The store: one counter, one commit, everything again after a restart."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from fulldisk import no_room
from tandem.apiserver.store import StorageError, Store, TooOldError
from tandem.model.kinds import BY_KIND

CM = BY_KIND["ConfigMap"]


def raw(name: str, namespace: str = "default", **meta: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace, **meta}}


def put(store: Store, name: str, **meta: Any) -> Any:
    with store.transaction():
        return store.put(CM, raw(name, **meta))


def test_versions_grow_over_all_kinds() -> None:
    store = Store()
    first, second = put(store, "a"), put(store, "b")
    assert second.version == first.version + 1 == store.version


def test_objects_and_the_counter_survive_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / "api.db")
    put(store, "a", uid="u", ownerReferences=[{"uid": "o"}])
    gone = put(store, "b")
    with store.transaction():
        store.remove(gone)
    version = store.version
    store.close()
    again = Store(tmp_path / "api.db")
    assert [r.name for r in again.select(CM)] == ["a"]
    assert again.version == version
    assert [r.name for r in again.owned_by("o")] == ["a"]
    assert again.has_uid("u")
    again.close()


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    store = Store(tmp_path / "api.db")
    put(store, "a")
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    store.close()


def test_a_full_disk_changes_nothing_and_the_next_write_is_a_whole_one(tmp_path: Path) -> None:
    store = Store(tmp_path / "api.db")
    put(store, "a")
    version = store.version
    with no_room(tmp_path), pytest.raises(StorageError, match="nothing was written: "):
        put(store, "b")
    assert ([r.name for r in store.select(CM)], store.version) == (["a"], version)
    put(store, "c")
    assert [e.record.name for e in store.changes(CM, version)] == ["c"]
    store.close()
    again = Store(tmp_path / "api.db")
    assert [r.name for r in again.select(CM)] == ["a", "c"]
    again.close()


def test_an_error_undoes_the_whole_transaction() -> None:
    store = Store()
    kept = put(store, "a", labels={"v": "1"})
    version = store.version

    def fail() -> None:
        with store.transaction():
            store.put(CM, raw("a", labels={"v": "2"}))
            store.put(CM, raw("b"))
            store.remove(kept)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.select(CM) == [kept]
    assert store.version == version
    assert store.changes(CM, version) == []


def test_changes_are_seen_after_the_commit_only() -> None:
    store = Store()
    since = store.version
    with store.transaction():
        store.put(CM, raw("a"))
        assert store.changes(CM, since) == []
    assert [e.type for e in store.changes(CM, since)] == ["ADDED"]


def test_changes_carry_what_was_before() -> None:
    store = Store()
    since = store.version
    put(store, "a")
    last = put(store, "a")
    with store.transaction():
        store.remove(last)
    events = store.changes(CM, since)
    assert [(e.type, e.before is not None) for e in events] == [("ADDED", False), ("MODIFIED", True), ("DELETED", True)]
    assert int(events[-1].record.meta["resourceVersion"]) == store.version


def test_history_is_bounded_and_says_so() -> None:
    store = Store(history=4)
    since = store.version
    for i in range(8):
        put(store, f"a{i}")
    with pytest.raises(TooOldError):
        store.changes(CM, since)
    assert len(store.changes(CM, store.version - 3)) == 3


def test_a_restart_forgets_history(tmp_path: Path) -> None:
    store = Store(tmp_path / "api.db")
    since = store.version
    put(store, "a")
    store.close()
    again = Store(tmp_path / "api.db")
    with pytest.raises(TooOldError):
        again.changes(CM, since)
    assert again.changes(CM, again.version) == []
    again.close()


def test_select_is_sorted_and_by_namespace() -> None:
    store = Store()
    for name, namespace in (("b", "x"), ("a", "x"), ("c", "w")):
        with store.transaction():
            store.put(CM, raw(name, namespace))
    assert [r.key for r in store.select(CM)] == [("w", "c"), ("x", "a"), ("x", "b")]
    assert [r.name for r in store.select(CM, "x")] == ["a", "b"]
    assert [r.name for r in store.in_namespace("w")] == ["c"]


def test_the_bell_rings_for_its_kind() -> None:
    store = Store()
    bell, other = store.bell(CM), store.bell(BY_KIND["Pod"])
    put(store, "a")
    assert bell.is_set()
    assert not other.is_set()
    store.end_watches()
    assert other.is_set()
