"""Copies of records: whole, private, and harmless where they cannot be written."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fulldisk import no_room
from tandem.ipam.copies import Copies


def test_copies_come_back_newest_first(tmp_path: Path) -> None:
    copies = Copies(tmp_path / "d")
    assert (bool(copies), copies.newest_first()) == (False, [])
    copies.keep("eth0@a", b"1")
    copies.keep("eth0@b", b"2")
    copies.keep("eth0@a", b"3")
    assert copies.newest_first() == [("eth0@a", b"3"), ("eth0@b", b"2")]


def test_a_copy_is_its_owners_alone(tmp_path: Path) -> None:
    copies = Copies(tmp_path / "d")
    copies.keep("eth0@a", b"1")
    assert stat.S_IMODE((tmp_path / "d" / "eth0@a").stat().st_mode) == 0o600


def test_one_is_forgotten_and_forgetting_nothing_is_fine(tmp_path: Path) -> None:
    copies = Copies(tmp_path / "d")
    copies.forget("eth0@a")
    copies.keep("eth0@a", b"1")
    copies.forget("eth0@a")
    assert copies.newest_first() == []


def test_only_those_named_stay_and_drafts_of_a_kill_go(tmp_path: Path) -> None:
    copies = Copies(tmp_path / "d")
    for name in ("eth0@a", "eth0@b"):
        copies.keep(name, b"1")
    (tmp_path / "d" / ".eth0@c").touch()
    assert copies.keep_only({"eth0@a", "eth0@z"}) == {"eth0@a"}
    assert [p.name for p in (tmp_path / "d").iterdir()] == ["eth0@a"]


def test_without_room_there_is_no_copy_and_the_old_one_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    copies = Copies(tmp_path / "d")
    copies.keep("eth0@a", b"1")
    with no_room(tmp_path / "d"):
        copies.keep("eth0@a", b"longer than before")
    assert copies.newest_first() == [("eth0@a", b"1")]
    assert "no copy of the record eth0@a" in caplog.text
