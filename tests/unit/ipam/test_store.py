"""The journal's file: what survives, what is refused. What both journals do is in tests/contract/test_journal.py."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from attaching import attachment
from fulldisk import no_room
from tandem.base.clock import FixedClock
from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.ipam.journal import Attachment, DuplicateError, Phase
from tandem.ipam.store import SqliteJournal, read_attachments

KILLED = """
import os, signal, sys
from pathlib import Path
from tandem.base.clock import FixedClock
from tandem.base.ids import ContainerId, PodUid
from tandem.ipam.journal import Attachment
from tandem.ipam.store import SqliteJournal
journal = SqliteJournal(Path(sys.argv[1]))
journal.add(Attachment(container_id="c", ifname="eth0", pod_uid="u", namespace="n", pod_name="p",
    addresses=("10.0.0.2",), mac="", host_ifname="", mtu=1500, netns=""))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    journal.add(attachment("a", "10.0.0.2"))
    journal.add(attachment("b", "10.0.0.3"))
    journal.remove((ContainerId("b"), "eth0"))
    journal.close()
    again = SqliteJournal(tmp_path / "j.db")
    assert again.all() == (attachment("a", "10.0.0.2"),)
    assert set(again.taken()) == {"10.0.0.2"}
    assert again.last() == {4: "10.0.0.3"}
    again.close()


def test_a_record_survives_a_kill_right_after_it_was_written(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "j.db"], check=False, env={"PYTHONPATH": "src"})
    assert done.returncode == -9
    journal = SqliteJournal(tmp_path / "j.db")
    assert [a.phase for a in journal.all()] == [Phase.ADDING]
    journal.close()


def test_the_file_is_root_s_alone(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "j.db").close()
    assert (tmp_path / "j.db").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "j.db").write_text("certainly no database, and longer than one header of it would be" * 20)
    with pytest.raises(DriverError, match=r"j\.db: .*move the file"):
        SqliteJournal(tmp_path / "j.db")


def test_without_room_add_is_refused_and_a_removal_waits_for_the_next_change(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = SqliteJournal(path)
    journal.add(attachment("a", "10.0.0.2"))
    with no_room(tmp_path):
        with pytest.raises(DriverError, match=r"j\.db: "):
            journal.add(attachment("b", "10.0.0.3"))
        journal.remove((ContainerId("a"), "eth0"))
        assert (journal.all(), set(journal.taken())) == ((), set())
        assert "j.db: " in journal.trouble()
        assert len(read_attachments(path)) == 1
    journal.add(attachment("c", "10.0.0.2"))
    assert journal.trouble() == ""
    assert [a.container_id for a in read_attachments(path)] == ["c"]
    journal.close()


def test_trouble_is_over_as_soon_as_there_is_room_and_what_waited_is_written(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = SqliteJournal(path)
    journal.add(attachment("a", "10.0.0.2"))
    with no_room(tmp_path):
        journal.remove((ContainerId("a"), "eth0"))
    assert len(read_attachments(path)) == 1
    assert journal.trouble() == ""
    assert read_attachments(path) == ()
    journal.close()


def running(container: str, *addresses: str) -> Attachment:
    return msgspec.structs.replace(attachment(container, *addresses), phase=Phase.READY, opened=True)


def with_pods(path: Path) -> None:
    """One READY, one half made, one gone."""
    journal = SqliteJournal(path)
    for name, address in (("a", "10.0.0.2"), ("b", "10.0.0.3"), ("c", "10.0.0.4")):
        journal.add(attachment(name, address))
    journal.update(running("a", "10.0.0.2"))
    journal.update(running("c", "10.0.0.4"))
    journal.update(msgspec.structs.replace(running("c", "10.0.0.4"), phase=Phase.DELETING))
    journal.remove((ContainerId("c"), "eth0"))
    journal.close()


@pytest.mark.parametrize("damage", ["lost", "no database", "damaged inside"])
def test_what_was_ready_survives_a_journal_that_is_lost_or_damaged(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "j.db"
    with_pods(path)
    if damage == "lost":
        path.unlink()
    elif damage == "no database":
        path.write_bytes(b"certainly no database" * 400)
    else:
        data = bytearray(path.read_bytes())
        data[200:] = bytes(len(data) - 200)
        path.write_bytes(data)
    journal = SqliteJournal(path)
    assert journal.all() == (running("a", "10.0.0.2"),)
    assert set(journal.taken()) == {"10.0.0.2"}
    assert (tmp_path / "j.damaged").exists() == (damage != "lost")
    journal.close()
    assert SqliteJournal(path).all() == (running("a", "10.0.0.2"),)


def test_a_copy_that_was_left_over_gives_no_address_twice(tmp_path: Path) -> None:
    """A kill came between the journal's own removal and that of the copy; then the journal was lost."""
    path, copies = tmp_path / "j.db", tmp_path / "j.copies"
    with_pods(path)
    left = copies.read_bytes()
    journal = SqliteJournal(path)
    journal.remove((ContainerId("a"), "eth0"))
    journal.add(attachment("z", "10.0.0.2"))
    journal.update(running("z", "10.0.0.2"))
    journal.close()
    copies.write_bytes(left + copies.read_bytes())
    path.unlink()
    assert [a.container_id for a in SqliteJournal(path).all()] == ["z"]


def test_copies_follow_the_journal_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with_pods(path)
    (tmp_path / "j.copies").write_bytes(b"+eth0@gone\t{}\n")
    SqliteJournal(path).close()
    path.unlink()
    assert SqliteJournal(path).all() == (running("a", "10.0.0.2"),)


def test_a_refused_write_leaves_file_and_memory_alone(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    journal.add(attachment("a", "10.0.0.2"))
    with pytest.raises(DuplicateError):
        journal.add(attachment("b", "10.0.0.2"))
    journal.close()
    again = SqliteJournal(tmp_path / "j.db")
    assert len(again.all()) == 1
    again.close()


def test_a_write_that_the_file_refuses_is_not_in_memory_either(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    other = sqlite3.connect(tmp_path / "j.db")
    other.execute("drop table cursors")
    other.close()
    with pytest.raises(DriverError, match="no such table"):
        journal.add(attachment("a", "10.0.0.2"))
    assert journal.all() == ()
    assert set(journal.taken()) == set()
    journal.close()


def given_up(path: Path, *, at: float) -> None:
    journal = SqliteJournal(path, FixedClock(at))
    journal.add(msgspec.structs.replace(attachment("a", "10.0.0.2"), opened=True))
    journal.remove((ContainerId("a"), "eth0"))
    journal.close()


def test_an_address_cools_down_across_a_restart(tmp_path: Path) -> None:
    given_up(tmp_path / "j.db", at=1000.0)
    again = SqliteJournal(tmp_path / "j.db", FixedClock(1010.0))
    assert again.released() == {"10.0.0.2": 1000.0}
    again.close()


def test_after_a_reboot_it_cools_down_anew(tmp_path: Path) -> None:
    given_up(tmp_path / "j.db", at=1000.0)
    other = sqlite3.connect(tmp_path / "j.db")
    other.execute("update released set boot = 'another'")
    other.commit()
    other.close()
    again = SqliteJournal(tmp_path / "j.db", FixedClock(5.0))
    assert again.released() == {"10.0.0.2": 5.0}
    again.close()


def test_a_time_of_release_that_is_yet_to_come_is_now(tmp_path: Path) -> None:
    """A time namespace, or a machine that was moved while it ran, may set the monotonic clock back."""
    given_up(tmp_path / "j.db", at=1_000_000.0)
    again = SqliteJournal(tmp_path / "j.db", FixedClock(5.0))
    assert again.released() == {"10.0.0.2": 5.0}
    again.close()


@pytest.mark.parametrize("seconds", [10.0, 3601.0])
def test_it_opens_on_a_full_disk_whatever_was_given_up_and_when(tmp_path: Path, seconds: float) -> None:
    given_up(tmp_path / "j.db", at=1000.0)
    with no_room(tmp_path):
        journal = SqliteJournal(tmp_path / "j.db", FixedClock(1000.0 + seconds))
        assert journal.released() == ({"10.0.0.2": 1000.0} if seconds < 3600 else {})
        journal.close()


def test_what_was_given_up_long_ago_is_forgotten(tmp_path: Path) -> None:
    given_up(tmp_path / "j.db", at=1000.0)
    again = SqliteJournal(tmp_path / "j.db", FixedClock(1000.0 + 3601))
    assert again.released() == {}
    again.close()


@pytest.mark.parametrize("how_often", [1, 2])
def test_an_address_cools_down_although_the_journal_is_lost(tmp_path: Path, how_often: int) -> None:
    given_up(tmp_path / "j.db", at=1000.0)
    for _ in range(how_often):
        (tmp_path / "j.db").unlink()
        again = SqliteJournal(tmp_path / "j.db", FixedClock(1010.0))
        assert again.released() == {"10.0.0.2": 1000.0}
        again.close()


def test_a_journal_lost_with_a_reboot_lets_every_address_cool_down_anew(tmp_path: Path) -> None:
    given_up(tmp_path / "j.db", at=1000.0)
    (tmp_path / "j.db").unlink()
    copies = tmp_path / "j.copies"
    copies.write_bytes(b"+@10.0.0.9\tno time\n+@10.0.0.2\tanother 1000.0\n")
    again = SqliteJournal(tmp_path / "j.db", FixedClock(5.0))
    assert again.released() == {"10.0.0.2": 5.0}
    again.close()


def test_a_journal_without_any_record_rests_since_the_boot_and_knows_it_after_a_restart(tmp_path: Path) -> None:
    """What was before, nobody can tell: it was no later than the boot, unless somebody says so (`rest`)."""
    path = tmp_path / "j.db"
    journal = SqliteJournal(path, FixedClock(12.0))
    assert (journal.begins_anew, journal.begun()) == (True, 0.0)
    journal.close()
    again = SqliteJournal(path, FixedClock(20.0))
    assert (again.begins_anew, again.begun(), dict(again.released())) == (True, 0.0, {})
    again.settle()
    again.close()
    settled = SqliteJournal(path, FixedClock(20.0))
    assert (settled.begins_anew, settled.begun()) == (False, 0.0)
    settled.close()


@pytest.mark.parametrize("lost", [False, True])
def test_that_every_address_rests_is_known_after_a_restart_and_from_the_copies(tmp_path: Path, *, lost: bool) -> None:
    path = tmp_path / "j.db"
    journal = SqliteJournal(path, FixedClock(1000.0))
    journal.rest()
    journal.settle()
    journal.close()
    if lost:
        path.unlink()
    again = SqliteJournal(path, FixedClock(1010.0))
    assert (again.begins_anew, again.begun()) == (False, 1000.0)
    again.close()


def test_a_journal_that_was_begun_and_never_asked_about_rests_from_when_it_was_said(tmp_path: Path) -> None:
    """The agent is killed after `rest` and before `settle`: the next one asks again, and forgets nothing."""
    journal = SqliteJournal(tmp_path / "j.db", FixedClock(1000.0))
    journal.rest()
    journal.close()
    again = SqliteJournal(tmp_path / "j.db", FixedClock(1010.0))
    assert (again.begins_anew, again.begun()) == (True, 1000.0)
    again.close()


@pytest.mark.parametrize("after", range(5))
def test_a_start_that_is_killed_while_it_reads_the_copies_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    path = tmp_path / "j.db"
    with_pods(path)
    path.unlink()
    written = 0
    write = SqliteJournal._write

    def dying(journal: SqliteJournal, statements: list[Any]) -> None:
        nonlocal written
        if written == after:
            raise KeyboardInterrupt
        written += 1
        write(journal, statements)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteJournal, "_write", dying)
        with suppress(KeyboardInterrupt):
            SqliteJournal(path).close()
    again = SqliteJournal(path)
    assert again.all() == (running("a", "10.0.0.2"),)
    assert set(again.released()) == {"10.0.0.4"}
    again.close()


def test_on_a_full_disk_all_rest_in_memory(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db", FixedClock(1000.0))
    with no_room(tmp_path):
        journal.rest()
        assert journal.begun() == 1000.0
    assert journal.trouble() == ""
    journal.close()


def test_attachments_can_be_read_beside_the_one_who_writes(tmp_path: Path) -> None:
    path = tmp_path / "ipam.db"
    assert read_attachments(path) == ()
    journal = SqliteJournal(path)
    journal.add(attachment("c", "10.244.0.2"))
    assert read_attachments(path) == journal.all()
    journal.close()
    path.write_text("no database" * 100)
    with pytest.raises(DriverError, match=r"ipam\.db"):
        read_attachments(path)
