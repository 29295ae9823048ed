"""The text in which a Node carries the names of its containers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.ir.names import MOST_BYTES, is_host_name, read_names, told_of, write_names

LABELS = st.text("abz0-_", min_size=1, max_size=5).filter(is_host_name)
PAIRS = st.tuples(st.builds("{}.{}".format, LABELS, LABELS), st.sampled_from(("10.244.0.4", "10.244.0.5", "fd00::4")))


@given(st.sets(PAIRS))
def test_what_is_written_is_read(pairs: set[tuple[str, str]]) -> None:
    assert read_names(write_names(sorted(pairs))) == tuple(sorted(pairs))


def test_no_names_are_no_text() -> None:
    assert write_names(()) == ""
    assert write_names((("db.tandem", "10.244.0.4"),)) == '{"db.tandem":["10.244.0.4"]}'


@pytest.mark.parametrize("text", ["", "{", "[]", '{"db.tandem":"10.244.0.4"}', '{"db.tandem":[7]}'])
def test_a_text_of_another_form_names_nobody(text: str) -> None:
    assert read_names(text) == ()


@pytest.mark.parametrize("name", ["db", "", ".tandem", "db.", "d b.tandem", "db..tandem", f"{'a.' * 100}tandem"])
def test_what_cannot_be_answered_is_passed_over(name: str) -> None:
    pairs = (("ok.tandem", "10.244.0.4"),)
    assert read_names(write_names(sorted([*pairs, (name, "10.244.0.5")]))) == pairs


def test_no_more_is_told_than_an_object_has_room_for() -> None:
    pairs = tuple((f"n{number:05}.tandem", "10.244.0.4") for number in range(10_000))
    told = told_of(pairs)
    assert pairs[: len(told)] == told
    assert MOST_BYTES - 50 < len(write_names(told)) <= MOST_BYTES
    assert told_of(pairs[:3]) == pairs[:3]
