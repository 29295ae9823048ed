"""Copies of records: what is held comes back, in a file that does not grow for ever and may be cut short anywhere."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from fulldisk import no_room
from tandem.ipam import copies as module
from tandem.ipam.copies import Copies


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "copies"


@pytest.fixture
def copies(path: Path) -> Iterator[Copies]:
    made = Copies(path)
    made.begin({})
    yield made
    made.close()


def test_what_is_held_comes_back_in_the_order_in_which_it_was_last_kept(copies: Copies, path: Path) -> None:
    for name, data in (("eth0@a", b"1"), ("eth0@b", b"2"), ("eth0@c", b"3"), ("eth0@a", b"4")):
        copies.keep(name, data)
    copies.forget("eth0@b")
    copies.forget("eth0@never")
    assert list(Copies(path).read().items()) == [("eth0@c", b"3"), ("eth0@a", b"4")]


def test_without_a_file_nothing_is_held(tmp_path: Path) -> None:
    copies = Copies(tmp_path / "none")
    assert (bool(copies), copies.read()) == (False, {})


def test_the_file_is_its_owners_alone(copies: Copies, path: Path) -> None:
    copies.keep("eth0@a", b"1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_wherever_a_kill_cuts_it_short_every_whole_line_counts(copies: Copies, path: Path) -> None:
    copies.keep("eth0@a", b"1")
    copies.keep("eth0@b", b"2")
    copies.forget("eth0@a")
    whole = path.read_bytes()
    seen: list[list[str]] = []
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        if (found := sorted(Copies(path).read())) not in seen[-1:]:
            seen.append(found)
    assert seen == [[], ["eth0@a"], ["eth0@a", "eth0@b"], ["eth0@b"]]


def test_a_new_process_holds_what_it_is_told_to_and_no_more(copies: Copies, path: Path) -> None:
    copies.keep("eth0@a", b"1")
    again = Copies(path)
    again.begin({"eth0@b": b"2"})
    again.keep("eth0@c", b"3")
    again.close()
    assert Copies(path).read() == {"eth0@b": b"2", "eth0@c": b"3"}


def test_without_room_lines_are_lost_and_the_file_is_whole_when_there_is_room(
    copies: Copies, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copies.keep("eth0@a", b"1")
    with no_room(path.parent):
        copies.keep("eth0@b", b"2")
        copies.keep("eth0@c", b"3")
    assert Copies(path).read() == {"eth0@a": b"1"}
    copies.forget("eth0@a")
    assert Copies(path).read() == {"eth0@b": b"2", "eth0@c": b"3"}
    assert "copies of records" in caplog.text
    assert [file.name for file in path.parent.iterdir()] == ["copies"]


def test_the_file_does_not_grow_for_ever(copies: Copies, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLACK", 10)
    copies.keep("eth0@stays", b"1")
    for _ in range(100):
        copies.keep("eth0@a", b"2")
        copies.forget("eth0@a")
    assert path.read_bytes().count(b"\n") <= 12
    assert Copies(path).read() == {"eth0@stays": b"1"}
