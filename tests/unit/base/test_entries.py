"""Results about entries that are kept up are what a beginning says, whatever came before."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from tandem.base.entries import Given, entries_of, joined_values
from tandem.base.table import Table

Named = dict[str, str]
Values = st.dictionaries(st.sampled_from("abcdef"), st.frozensets(st.sampled_from("tuvwxyz")), max_size=5)


def gives(value: frozenset[str]) -> Given:
    """The same name has the same part, whoever gives it."""
    return {name: name * 2 for name in value}, {"any": "any"} if value else {}


def whole(values: Mapping[str, frozenset[str]]) -> tuple[tuple[str, ...], ...]:
    columns = zip(*map(gives, values.values()), strict=True) if values else ((), ())
    joined = ({name: part for one in column for name, part in one.items()} for column in columns)
    return tuple(tuple(parts[name] for name in sorted(parts)) for parts in joined)


@given(st.lists(Values, max_size=12))
def test_columns_are_the_parts_of_all_values_whatever_came_before(steps: list[dict[str, frozenset[str]]]) -> None:
    of_tables, of_others = joined_values(2)(gives), joined_values(2)(gives)
    table, known = Table[str, frozenset[str]](), dict[str, frozenset[str]]()
    for step in steps:
        now = {key: known[key] if known.get(key) == value else value for key, value in step.items()}
        table = table.changed(now, known.keys() - now.keys())
        known = now
        found = of_tables(table)
        assert found == of_others(now) == whole(now)
        assert all(one is other for one, other in zip(found, of_tables(table), strict=True))


def test_a_column_in_which_nothing_changed_is_the_same() -> None:
    kept = joined_values(2)(gives)
    before = kept({"a": frozenset("xy"), "b": frozenset("x")})
    after = kept({"a": frozenset("xyz")})
    assert after[0] == ("xx", "yy", "zz")
    assert after[1] is before[1]


def test_what_has_a_predecessor_is_made_of_it() -> None:
    asked: list[str] = []

    def revise(before: str, now: str, made: Given) -> Given:
        asked.append(f"{before} {now} {sorted(made[0])}")
        return ({now: now},)

    @joined_values(1, revise)
    def one(value: str) -> Given:
        asked.append(value)
        return ({value: value},)

    assert [one({"k": "v"}), one({"k": "w"}), one({}), one({"k": "x"})] == [(("v",),), (("w",),), ((),), (("x",),)]
    assert asked == ["v", "v w ['v']", "x"]


Keys = st.frozensets(st.sampled_from("abcd"))


@given(st.lists(st.tuples(st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz")), Keys), max_size=12))
def test_the_entries_that_are_asked_for_are_there_or_made(steps: list[tuple[Named, frozenset[str]]]) -> None:
    entries = entries_of(str.upper)
    for values, keys in steps:
        found = entries(values, keys)
        assert dict(found) == {key: values.get(key, key.upper()) for key in keys}
        assert entries(values, keys) is found


def test_entries_that_are_the_same_make_the_same_table() -> None:
    made: list[str] = []

    @entries_of
    def entries(key: str) -> str:
        made.append(key)
        return key

    keys = frozenset("ab")
    first = entries({"a": "x"}, keys)
    assert entries({"a": "x", "c": "other"}, frozenset("ab")) is first
    assert made == ["b"]
    assert dict(entries({"b": "here"}, keys)) == {"a": "a", "b": "here"}
    assert made == ["b", "a"]
