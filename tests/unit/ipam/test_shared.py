"""A journal that shares its addresses with host-local."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from attaching import attachment
from tandem.base.clock import FixedClock
from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.ipam.hostlocal import HostLocal
from tandem.ipam.journal import Attachment, MemoryJournal
from tandem.ipam.shared import Either, HeldError, SharedJournal
from tandem.ipam.store import SqliteJournal


def shared(path: Path, *before: Attachment) -> SharedJournal:
    clock = FixedClock(1000.0)
    inner = MemoryJournal(clock)
    for one in before:
        inner.add(one)
    return SharedJournal(inner, (HostLocal(path),))


def files(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir() if p.name != "lock")


def test_every_address_has_a_file_from_the_first_moment_to_the_last(tmp_path: Path) -> None:
    journal = shared(tmp_path, attachment("a", "10.0.0.2", "fd00::2"))
    assert files(tmp_path) == ["10.0.0.2", "fd00::2"]
    journal.add(attachment("b", "10.0.0.3"))
    journal.update(msgspec.structs.replace(attachment("b", "10.0.0.3"), opened=True))
    journal.remove((ContainerId("a"), "eth0"))
    assert files(tmp_path) == ["10.0.0.3"]
    assert (journal.last(), journal.get((ContainerId("b"), "eth0")) is not None) == (
        {4: "10.0.0.3", 6: "fd00::2"},
        True,
    )


def test_half_a_pair_that_host_local_has_leaves_nothing_of_the_other(tmp_path: Path) -> None:
    journal = shared(tmp_path)
    (tmp_path / "fd00::3").write_text("theirs")
    with pytest.raises(HeldError, match="fd00::3 was given by host-local"):
        journal.add(attachment("a", "10.0.0.3", "fd00::3"))
    assert files(tmp_path) == ["fd00::3"]
    assert set(journal.taken()) == {"fd00::3"}
    assert journal.all() == ()


def test_a_directory_that_cannot_be_read_frees_nothing(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "10.0.0.9").write_text("theirs")
    journal = shared(tmp_path / "d")
    shutil.rmtree(tmp_path / "d")
    assert "10.0.0.9" in journal.taken()
    with pytest.raises(DriverError):
        journal.add(attachment("a", "10.0.0.2"))
    assert journal.all() == ()


def test_a_directory_is_shared_once(tmp_path: Path) -> None:
    journal = shared(tmp_path)
    journal.share(HostLocal(tmp_path))
    assert len(journal.directories) == 1


def test_a_directory_that_a_reboot_cleared_is_made_again_and_has_our_files(tmp_path: Path) -> None:
    journal = shared(tmp_path / "run" / "net", attachment("a", "10.0.0.2"))
    assert files(tmp_path / "run" / "net") == ["10.0.0.2"]
    (tmp_path / "run" / "net" / "10.0.0.3").write_text("theirs")
    assert "10.0.0.3" in journal.taken()


def test_a_directory_that_cannot_be_written_at_start_is_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal = shared(tmp_path / "file" / "net")
    assert len(journal.directories) == 1
    with pytest.raises(DriverError):
        journal.add(attachment("a", "10.0.0.2"))
    assert journal.all() == ()


def test_an_address_of_both_at_start_does_not_keep_the_rest_from_being_shared(tmp_path: Path) -> None:
    (tmp_path / "10.0.0.2").write_text("theirs")
    (tmp_path / "10.0.0.3").write_text("theirs")
    journal = shared(tmp_path, attachment("a", "10.0.0.2"))
    assert set(journal.taken()) == {"10.0.0.2", "10.0.0.3"}
    journal.add(attachment("b", "10.0.0.4"))
    assert "10.0.0.4" in files(tmp_path)
    with pytest.raises(HeldError):
        journal.add(attachment("c", "10.0.0.3"))


def test_of_an_address_that_both_gave_up_the_last_time_counts(tmp_path: Path) -> None:
    clock = FixedClock(1000.0)
    journal = SharedJournal(MemoryJournal(clock), (HostLocal(tmp_path),))
    (tmp_path / "10.0.0.3").write_text("theirs")
    assert "10.0.0.3" in journal.taken()
    (tmp_path / "10.0.0.3").unlink()
    assert "10.0.0.3" not in journal.taken()
    assert journal.released() == {"10.0.0.3": 1000.0}
    clock.advance(60.0)
    journal.add(msgspec.structs.replace(attachment("a", "10.0.0.3"), opened=True))
    journal.remove((ContainerId("a"), "eth0"))
    assert journal.released() == {"10.0.0.3": 1060.0}


@pytest.mark.parametrize("noticed", [False, True], ids=["while no agent ran", "before"])
def test_what_host_local_gave_up_cools_down_for_the_next_agent_as_well(tmp_path: Path, *, noticed: bool) -> None:
    clock, one, two = FixedClock(1000.0), tmp_path / "one", tmp_path / "two"
    for directory, address in ((one, "10.0.0.3"), (two, "10.0.0.4")):
        directory.mkdir()
        (directory / address).write_text("c1\r\neth0")

    def begun() -> tuple[SharedJournal, SqliteJournal]:
        inner = SqliteJournal(tmp_path / "j.db", clock)
        return SharedJournal(inner, (HostLocal(one), HostLocal(two))), inner

    journal, inner = begun()
    assert set(journal.taken()) == {"10.0.0.3", "10.0.0.4"}
    (one / "10.0.0.3").unlink()
    if noticed:
        assert set(journal.taken()) == {"10.0.0.4"}
    inner.close()
    clock.advance(10.0)
    journal, inner = begun()
    assert journal.released() == {"10.0.0.3": 1000.0 if noticed else 1010.0}
    assert journal.others() == {"10.0.0.4": ("c1", "eth0")}
    inner.close()
    (tmp_path / "j.db").unlink()
    journal, inner = begun()
    assert journal.released() == {"10.0.0.3": 1000.0 if noticed else 1010.0}
    inner.close()


def test_two_sets_are_one_without_doubles() -> None:
    both = Either({"a", "b"}, {"b", "c"})
    assert (sorted(both), len(both), "c" in both, "d" in both) == (["a", "b", "c"], 3, True, False)
