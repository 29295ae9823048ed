"""What is remembered, for which arguments, and for how long."""

from __future__ import annotations

from itertools import count

from tandem.base.memo import KeptParts, each_as_before, equal_to_before, pairs_as_before, same_as_before


def test_the_same_objects_are_computed_once_and_equal_ones_again() -> None:
    calls = []

    @same_as_before
    def total(one: dict[str, int], other: dict[str, int]) -> int:
        calls.append((one, other))
        return len(one) + len(other)

    a, b = {"a": 1}, {"a": 1}
    assert [total(a, b), total(a, b), total(b, b), total(a, b)] == [2, 2, 2, 2]
    assert calls == [(a, b), (b, b), (a, b)]


def test_of_many_those_of_the_time_before_are_kept_and_no_others() -> None:
    calls: list[str] = []

    @each_as_before
    def first(value: list[str]) -> str:
        calls.append(value[0])
        return value[0]

    a, b, c = ["a"], ["b"], ["c"]
    assert first([a, b]) == ("a", "b")
    assert first(iter((b, c))) == ("b", "c")
    assert first([a, c]) == ("a", "c")
    assert calls == ["a", "b", "c", "a"]


def test_of_pairs_both_must_be_the_same() -> None:
    calls: list[tuple[str, str]] = []

    @pairs_as_before
    def joined(one: list[str], other: list[str]) -> str:
        calls.append((one[0], other[0]))
        return one[0] + other[0]

    a, b, c = ["a"], ["b"], ["c"]
    assert joined([(a, b), (b, c)]) == ("ab", "bc")
    assert joined([(a, b), (a, c)]) == ("ab", "ac")
    assert calls == [("a", "b"), ("b", "c"), ("a", "c")]


def test_an_argument_that_is_gone_is_never_mistaken_for_a_new_one() -> None:
    @same_as_before
    def one(value: list[int]) -> int:
        return value[0]

    @each_as_before
    def many(value: list[int]) -> int:
        return value[0]

    assert [one([n]) for n in range(1000)] == list(range(1000))
    assert [many([[n]])[0] for n in range(1000)] == list(range(1000))


def test_an_equal_argument_has_the_result_of_the_one_before() -> None:
    seen: list[tuple[int, ...]] = []

    @equal_to_before
    def double(values: tuple[int, ...]) -> tuple[int, ...]:
        seen.append(values)
        return tuple(2 * v for v in values)

    first = double((1, 2))
    assert double((1, 2)) is first
    assert double((3,)) == (6,)
    assert len(seen) == 2


def test_results_by_name_are_kept_while_their_parts_are_the_very_same() -> None:
    kept: KeptParts[str] = KeptParts()
    one, equal = [1], [1]

    def ask(name: str, *parts: object) -> str:
        return kept(name, parts, lambda: f"{name}{next(numbers)}")

    numbers = count()
    kept.begin()
    assert [ask("a", one), ask("b", one)] == ["a0", "b1"]
    kept.begin()
    assert [ask("a", one), ask("b", equal)] == ["a0", "b2"]
    kept.begin()
    assert ask("b", equal, one) == "b3"
    kept.begin()
    assert ask("a", one) == "a4"
