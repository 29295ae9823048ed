"""What is said again is counted, and nobody is told of too often."""

from __future__ import annotations

import pytest

from builders import pod
from tandem.base.clock import FixedClock
from tandem.ingest.correlator import BURST, REFILL_SECONDS, WAITING, Correlator, Entry, Newest
from tandem.model.said import Said, say
from tandem.model.schema import validate

WEB = say(pod("web", namespace="shop", uid="u"), "BackOff", "again", warning=True)


def said(number: int, name: str = "web") -> Said:
    return say(pod(name, namespace="shop", uid=name), "Killing", f"container {number}")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def correlator(clock: FixedClock) -> Correlator:
    return Correlator("tandem-runtime", "n1", clock)


def taken(correlator: Correlator) -> list[Entry]:
    found = []
    while (entry := correlator.next()) is not None:
        found.append(entry)
    return found


def test_an_event_is_sound_and_says_who_tells_of_whom(correlator: Correlator) -> None:
    correlator.take(WEB)
    (entry,) = taken(correlator)
    event = correlator.event(entry)
    assert validate(event) == []
    assert event["metadata"]["namespace"] == "shop"
    assert event["metadata"]["name"].startswith("web.")
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "shop",
        "name": "web",
        "uid": "u",
    }
    assert event["source"] == {"component": "tandem-runtime", "host": "n1"}
    assert (event["type"], event["reason"], event["message"], event["count"]) == ("Warning", "BackOff", "again", 1)


def test_the_same_again_is_one_entry_that_counts(correlator: Correlator, clock: FixedClock) -> None:
    for _ in range(BURST * 2):
        assert correlator.take(WEB)
        clock.advance(1.0)
    (entry,) = taken(correlator)
    assert (entry.times, entry.last - entry.first) == (BURST * 2, BURST * 2 - 1.0)


def test_the_same_has_the_same_name_in_another_life_and_another_sentence_another(clock: FixedClock) -> None:
    names = set()
    for host, message in (("n1", "a"), ("n1", "a"), ("n2", "a"), ("n1", "b")):
        made = Correlator("c", host, clock)
        made.take(say(pod("web"), "Killing", message))
        names.add(taken(made)[0].name)
    assert len(names) == 3


def test_an_object_has_a_budget_that_comes_back_slowly(correlator: Correlator, clock: FixedClock) -> None:
    assert [correlator.take(said(n)) for n in range(BURST + 2)] == [True] * BURST + [False] * 2
    assert correlator.take(said(0, "other")), "of another object"
    assert correlator.dropped == 2
    clock.advance(REFILL_SECONDS)
    assert [correlator.take(said(n)) for n in (100, 101)] == [True, False]


def test_no_more_waits_than_there_is_room_for(correlator: Correlator) -> None:
    assert all(correlator.take(said(0, f"pod-{n}")) for n in range(WAITING))
    assert not correlator.take(said(0, "one-more"))
    assert len(taken(correlator)) == WAITING


def test_what_could_not_be_written_comes_first_and_keeps_its_count(correlator: Correlator) -> None:
    correlator.take(WEB)
    correlator.take(said(1))
    first = correlator.next()
    assert first is not None
    correlator.take(WEB)
    correlator.back(first)
    again, other = taken(correlator)
    assert (again.name, again.times, other.times) == (first.name, 2, 1)


def test_long_names_and_messages_fit(correlator: Correlator) -> None:
    correlator.take(say(pod("a" * 253), "Killing", "x" * 5000))
    (entry,) = taken(correlator)
    event = correlator.event(entry)
    assert validate(event) == []
    assert len(event["message"]) == 1024


def test_an_object_of_the_cluster_is_told_of_in_default(correlator: Correlator) -> None:
    correlator.take(say(pod("n", namespace=""), "Starting", "x"))
    assert taken(correlator)[0].namespace == "default"


def test_the_newest_entries_are_kept() -> None:
    held: Newest[str, int] = Newest(2)
    for number, key in enumerate("ab"):
        held.put(key, number)
    assert held.get("a") == 0
    held.put("c", 2)
    assert [held.get(key) for key in "abc"] == [0, None, 2]
    held.drop("a")
    assert held.get("a") is None
