"""A dictionary that shares what did not change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.base.table import Table, changes

KEYS = st.integers(0, 30).map(lambda n: f"k{n}")
ENTRIES = st.dictionaries(KEYS, st.integers(0, 3).map(str))
STEPS = st.lists(st.tuples(ENTRIES, st.sets(KEYS)), max_size=6)


@given(ENTRIES, STEPS)
def test_it_is_the_dictionary_that_the_same_changes_make(
    first: dict[str, str], steps: list[tuple[dict[str, str], set[str]]]
) -> None:
    plain, table = dict(first), Table(first)
    for put, drop in steps:
        before, held = table, dict(plain)
        plain = {k: v for k, v in plain.items() if k not in drop} | put
        table = table.changed(put, drop)
        assert table == plain
        assert before == held
        assert len(table) == len(plain)
        assert sorted(table.items()) == sorted(plain.items())
        assert sorted(table.values()) == sorted(plain.values())
        assert all(k in table and table[k] == table.get(k) == v for k, v in plain.items())


@given(ENTRIES, STEPS)
def test_its_differences_lead_from_one_to_the_other(
    first: dict[str, str], steps: list[tuple[dict[str, str], set[str]]]
) -> None:
    before = table = Table(first)
    for put, drop in steps:
        table = table.changed(put, drop)
    found = changes(before, table)
    assert found == changes(dict(before), dict(table))
    put = {k: new for k, (_, new) in found.items() if new is not None}
    assert before.changed(put, found.keys() - put.keys()) == table
    assert all(before.get(k) is old and table.get(k) is new and old is not new for k, (old, new) in found.items())


def test_nothing_changed_is_the_same_object() -> None:
    table = Table({"a": "1"})
    assert table.changed({"a": table["a"]}, ["b"]) is table
    assert changes(table, table) == {}


def test_a_change_copies_one_part_of_many() -> None:
    table = Table({f"k{n}": n for n in range(10_000)})
    other = table.changed({"k77": -1})
    rows = [(old, new) for old, new in zip(table.rows, other.rows, strict=True) if old is not new]
    assert len(rows) == 1
    assert sum(old is not new for old, new in zip(*rows[0], strict=True)) == 1
    assert changes(table, other) == {"k77": (77, -1)}


def test_what_is_not_there_is_said_as_by_a_dictionary() -> None:
    table: Table[str, int] = Table()
    assert table.get("a") is None
    assert table.get("a", 5) == 5
    assert "a" not in table
    with pytest.raises(KeyError):
        table["a"]


def test_what_equals_what_was_there_stays_that_object_and_nothing_else_stays() -> None:
    before = Table({"a": [1], "b": [2], "c": [3]})
    now = before.become({"a": [1], "b": [9], "d": [4]})
    assert now == Table({"a": [1], "b": [9], "d": [4]})
    assert now["a"] is before["a"]
    assert set(now.changes(before)) == {"b", "c", "d"}
    assert now.become({"a": [1], "b": [9], "d": [4]}) is now
