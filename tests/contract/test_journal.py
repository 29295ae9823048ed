"""What every Journal does, in memory and in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from attaching import attachment
from tandem.base.clock import FixedClock
from tandem.base.ids import ContainerId
from tandem.ipam.journal import DuplicateError, Journal, MemoryJournal, Phase
from tandem.ipam.store import SqliteJournal

CLOCK = FixedClock(1000.0)


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal(CLOCK)
        return
    journal = SqliteJournal(tmp_path / "j.db", CLOCK)
    yield journal
    journal.close()


def test_what_was_added_is_found(journal: Journal) -> None:
    journal.add(attachment("a", "10.0.0.2"))
    assert journal.get((ContainerId("a"), "eth0")) == attachment("a", "10.0.0.2")
    assert set(journal.taken()) == {"10.0.0.2"}
    assert journal.last() == {4: "10.0.0.2"}


def test_the_attachments_of_a_container_are_found_until_they_are_removed(journal: Journal) -> None:
    a, b = attachment("a", "10.0.0.2"), attachment("a", "10.0.0.3", ifname="eth1")
    for one in (a, b, attachment("b", "10.0.0.4")):
        journal.add(one)
    changed = msgspec.structs.replace(b, phase=Phase.READY)
    journal.update(changed)
    assert journal.of(ContainerId("a")) == (a, changed)
    journal.remove(a.key)
    assert journal.of(ContainerId("a")) == (changed,)
    journal.remove(b.key)
    assert journal.of(ContainerId("a")) == ()


def test_an_unknown_key_is_none(journal: Journal) -> None:
    assert journal.get((ContainerId("a"), "eth0")) is None


def test_the_same_key_twice_is_refused(journal: Journal) -> None:
    journal.add(attachment("a", "10.0.0.2"))
    with pytest.raises(DuplicateError, match="container a has eth0 already"):
        journal.add(attachment("a", "10.0.0.3"))
    assert set(journal.taken()) == {"10.0.0.2"}


def test_the_same_address_twice_is_refused(journal: Journal) -> None:
    journal.add(attachment("a", "10.0.0.2"))
    with pytest.raises(DuplicateError, match=r"10\.0\.0\.2 belongs to container a"):
        journal.add(attachment("b", "10.0.0.2"))
    assert len(journal.all()) == 1


def test_an_update_replaces(journal: Journal) -> None:
    journal.add(attachment("a", "10.0.0.2"))
    ready = msgspec.structs.replace(attachment("a", "10.0.0.2"), phase=Phase.READY)
    journal.update(ready)
    assert journal.all() == (ready,)


def test_an_update_of_nothing_is_refused(journal: Journal) -> None:
    with pytest.raises(KeyError):
        journal.update(attachment("a", "10.0.0.2"))


def test_an_update_cannot_change_addresses(journal: Journal) -> None:
    journal.add(attachment("a", "10.0.0.2"))
    with pytest.raises(DuplicateError, match="keeps its addresses"):
        journal.update(attachment("a", "10.0.0.3"))


def test_removal_frees_the_address_but_remembers_it_as_the_last(journal: Journal) -> None:
    journal.add(attachment("a", "10.0.0.2"))
    journal.remove((ContainerId("a"), "eth0"))
    assert journal.all() == ()
    assert set(journal.taken()) == set()
    assert journal.last() == {4: "10.0.0.2"}


def test_each_family_has_a_last_address_of_its_own(journal: Journal) -> None:
    journal.add(attachment("a", "10.0.0.2", "fd00::2"))
    journal.add(attachment("b", "10.0.0.3"))
    assert journal.last() == {4: "10.0.0.3", 6: "fd00::2"}


def test_it_is_noted_when_addresses_that_were_on_the_network_are_given_up(journal: Journal) -> None:
    journal.add(attachment("a", "10.0.0.2", "fd00::2"))
    journal.update(msgspec.structs.replace(attachment("a", "10.0.0.2", "fd00::2"), opened=True))
    journal.add(attachment("b", "10.0.0.3"))
    journal.remove((ContainerId("a"), "eth0"))
    journal.remove((ContainerId("b"), "eth0"))
    assert journal.released() == {"10.0.0.2": 1000.0, "fd00::2": 1000.0}


def test_what_others_held_and_hold_no_more_was_given_up_when_that_is_noted(journal: Journal) -> None:
    ours, theirs = attachment("a", "10.0.0.2"), (ContainerId("x"), "eth0")
    journal.note({"10.0.0.2": theirs, "10.0.0.3": theirs, "fd00::3": theirs})
    journal.add(ours)
    journal.note({"10.0.0.3": theirs})
    assert journal.others() == {"10.0.0.3": theirs}
    assert journal.released() == {"fd00::3": 1000.0}
    journal.note({})
    assert journal.released() == {"fd00::3": 1000.0, "10.0.0.3": 1000.0}


def test_every_address_rests_from_when_that_is_said(journal: Journal) -> None:
    assert journal.begun() < 1000.0
    assert journal.begins_anew
    journal.rest()
    journal.settle()
    assert not journal.begins_anew
    assert journal.begun() == 1000.0
    assert journal.released() == {}


def test_half_a_pair_of_addresses_that_is_taken_adds_nothing(journal: Journal) -> None:
    journal.add(attachment("a", "10.0.0.2", "fd00::2"))
    with pytest.raises(DuplicateError, match="fd00::2 belongs to container a"):
        journal.add(attachment("b", "10.0.0.3", "fd00::2"))
    assert set(journal.taken()) == {"10.0.0.2", "fd00::2"}
    assert journal.last() == {4: "10.0.0.2", 6: "fd00::2"}


def test_removing_nothing_is_fine(journal: Journal) -> None:
    journal.remove((ContainerId("a"), "eth0"))


def test_attachments_come_in_the_order_of_their_keys(journal: Journal) -> None:
    for name, address in (("b", "10.0.0.2"), ("a", "10.0.0.3")):
        journal.add(attachment(name, address))
    assert [a.container_id for a in journal.all()] == ["a", "b"]
