"""What is kept up to date is what the whole work would give, whichever tuples come one after the other."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tandem.base import members as kept_up
from tandem.base.members import changes, chosen_as_before, difference, joined_as_before, stepped


class Pod:
    """Compared by what it holds, as the frozen values are that this is for."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pod) and other.number == self.number

    def __hash__(self) -> int:
        return hash(self.number)

    def __repr__(self) -> str:
        return f"Pod({self.number})"


PODS = tuple(Pod(number) for number in range(12))
Tuples = st.lists(st.lists(st.sampled_from(PODS), unique=True).map(tuple), max_size=8)


def is_even(pod: Pod) -> bool:
    return pod.number % 2 == 0


def gives(pod: Pod) -> tuple[frozenset[Any], ...]:
    """An element that it shares with two others, and one of its own that every third has not."""
    return frozenset({pod.number // 3}), frozenset({("own", pod.number)} if pod.number % 3 else ())


@given(Tuples)
def test_what_is_kept_equals_what_the_whole_tuple_gives(tuples: list[tuple[Pod, ...]]) -> None:
    chosen, joined = chosen_as_before(is_even), joined_as_before(gives, 2)
    for members in tuples:
        assert chosen(members) == tuple(filter(is_even, members))
        given_by = [gives(member) for member in members]
        assert joined(members) == tuple(frozenset().union(*(g[i] for g in given_by)) for i in range(2))


@given(Tuples)
def test_what_neither_is_gone_nor_has_come_is_in_the_same_order(tuples: list[tuple[Pod, ...]]) -> None:
    for before, now in pairwise(tuples):
        gone, come = changes(before, now)
        assert set(gone) <= set(before)
        assert set(come) <= set(now)
        assert [m for m in before if m not in gone] == [m for m in now if m not in come]


def test_one_more_and_one_fewer_are_found_among_many() -> None:
    many = tuple(Pod(number) for number in range(1000))
    new = Pod(-1)
    for at in (0, 1, 499, 999, 1000):
        assert changes(many, (*many[:at], new, *many[at:])) == ((), (new,))
    assert changes(many, many[:500] + many[501:]) == ((many[500],), ())
    assert changes(many, (*many[:7], new, *many[8:])) == ((many[7],), (new,))


def test_work_is_done_for_what_comes_and_goes_alone() -> None:
    asked: list[Pod] = []

    def asks(pod: Pod) -> tuple[frozenset[Any], ...]:
        asked.append(pod)
        return gives(pod)

    joined = joined_as_before(asks, 2)
    joined(PODS[:9])
    asked.clear()
    joined(PODS[:10])
    joined(PODS[1:10])
    assert asked == [PODS[9], PODS[0]]


def test_a_few_between_two_of_many_cost_the_few() -> None:
    asked: list[Pod] = []

    def asks(pod: Pod) -> tuple[frozenset[Any], ...]:
        asked.append(pod)
        return gives(pod)

    joined = joined_as_before(asks, 2)
    many = tuple(Pod(number) for number in range(40))
    whole = joined(many)
    asked.clear()
    assert joined(many[3:5]) == (frozenset({1}), frozenset({("own", 4)}))
    assert joined(()) == (frozenset(), frozenset())
    assert joined(many) is whole
    assert asked == list(many[3:5])


def test_a_result_is_the_same_object_until_it_changes() -> None:
    chosen, joined = chosen_as_before(is_even), joined_as_before(gives, 2)
    few, first, own = chosen(PODS[:5]), *joined(PODS[:5])
    assert chosen(PODS[:4] + PODS[5:6]) != few
    few = chosen(PODS[:5])
    assert chosen(PODS[:6:1]) is few  # 5 is odd
    assert joined(PODS[:6])[0] is first  # 5 gives what 3 and 4 give
    assert joined(PODS[:6])[1] != own


SETS = st.frozensets(st.integers(0, 9))


@given(SETS, st.lists(st.tuples(SETS, SETS), max_size=5))
def test_what_sets_differ_by_is_known_and_found_alike(
    first: frozenset[int], steps: list[tuple[frozenset[int], frozenset[int]]]
) -> None:
    made: list[frozenset[int]] = [first]
    for less, more in steps:
        made.append(stepped(made[-1], less, more))
        assert made[-1] == (made[-2] - less) | more
    for before in made:
        for now in made:
            assert difference(before, now) == (before - now, now - before)


def test_a_set_of_which_nothing_goes_or_comes_is_the_very_same() -> None:
    before = frozenset({1, 2})
    assert stepped(before, frozenset(), frozenset()) is before


def test_of_sets_that_are_gone_nothing_is_kept() -> None:
    before = frozenset(range(100))
    kept = [stepped(before, frozenset(), frozenset({n})) for n in range(100, 200)]
    known = len(kept_up._steps)
    assert known >= 100
    del kept
    assert len(kept_up._steps) <= known - 100
