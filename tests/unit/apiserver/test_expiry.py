"""How long Events stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tandem.apiserver.eventforms import CORE
from tandem.apiserver.expiry import LIFE_SECONDS, Expiry
from tandem.apiserver.store import StorageError, Store
from tandem.base.clock import FixedClock, rfc3339

CLOCK_START = 1_700_000_000.0


def write(store: Store, name: str, **more: Any) -> None:
    with store.transaction():
        store.put(CORE, {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "n"}, **more})


def names(store: Store) -> list[str]:
    return [r.name for r in store.select(CORE)]


def test_an_event_goes_an_hour_after_it_was_written_last() -> None:
    store, clock = Store(), FixedClock(CLOCK_START)
    expiry = Expiry(store, clock)
    expiry.sweep()
    for name in ("once", "again"):
        write(store, name)
    expiry.sweep()
    clock.advance(LIFE_SECONDS / 2)
    write(store, "again", count=2)
    expiry.sweep()
    clock.advance(LIFE_SECONDS / 2)
    expiry.sweep()
    assert names(store) == ["again"]
    clock.advance(LIFE_SECONDS / 2)
    expiry.sweep()
    assert names(store) == []


def test_what_was_there_before_is_as_old_as_it_says() -> None:
    store, clock = Store(), FixedClock(CLOCK_START)
    write(store, "old", lastTimestamp=rfc3339(CLOCK_START - LIFE_SECONDS - 1))
    write(store, "young", lastTimestamp=rfc3339(CLOCK_START - 1))
    write(store, "future", eventTime=rfc3339(CLOCK_START + 10 * LIFE_SECONDS))
    write(store, "unclear", lastTimestamp="yesterday")
    expiry = Expiry(store, clock)
    expiry.sweep()
    assert names(store) == ["future", "unclear", "young"]
    clock.advance(LIFE_SECONDS)
    expiry.sweep()
    assert names(store) == []


def test_of_too_many_the_oldest_go() -> None:
    store, clock = Store(), FixedClock(CLOCK_START)
    expiry = Expiry(store, clock, most=2)
    for name in ("a", "b", "c"):
        write(store, name)
        expiry.sweep()
        clock.advance(1.0)
    assert names(store) == ["b", "c"]


def test_a_disk_that_takes_nothing_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, clock = Store(tmp_path / "db"), FixedClock(CLOCK_START)
    expiry = Expiry(store, clock)
    write(store, "e")
    expiry.sweep()
    clock.advance(LIFE_SECONDS)
    with monkeypatch.context() as patched:

        def full(_: object) -> None:
            raise StorageError("nothing was written: disk full")

        patched.setattr(store, "remove", full)
        expiry.sweep()
    assert names(store) == ["e"]
    expiry.sweep()
    assert names(store) == []
    store.close()
