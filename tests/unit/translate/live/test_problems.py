"""Problems gathered from units that change one by one."""

from __future__ import annotations

from tandem.base.problems import Origin, Problem
from tandem.translate.live.problems import Gathered, Warnings

A, B = Origin(kind="Pod", name="a"), Origin(kind="Pod", name="b")


def problem(at: Origin, code: str) -> Problem:
    return Problem(at=at, code=code, text=code)


def test_an_object_is_told_what_all_units_say_in_their_order() -> None:
    gathered = Gathered()
    gathered.tell((2, "late"), [problem(A, "three")])
    gathered.tell((1, "early"), [problem(A, "one"), problem(B, "x"), problem(A, "two")])
    assert {key[2]: [p.code for p in told] for key, told in gathered.settle().items()} == {
        "a": ["one", "two", "three"],
        "b": ["x"],
    }


def test_what_a_unit_says_no_longer_is_gone() -> None:
    gathered = Gathered()
    gathered.tell((1,), [problem(A, "one"), problem(B, "x")])
    before = gathered.settle()
    gathered.tell((1,), [problem(B, "x")])
    after = gathered.settle()
    assert [key[2] for key in after] == ["b"]
    assert len(before) == 2
    gathered.tell((1,), ())
    assert gathered.settle() == {}


def test_the_same_told_again_changes_nothing() -> None:
    gathered = Gathered()
    gathered.tell((1,), [problem(A, "one")])
    before = gathered.settle()
    gathered.tell((1,), [problem(A, "one")])
    assert gathered.settle() is before


def test_warnings_are_told_once_and_sorted_for_as_long_as_somebody_tells_them() -> None:
    gathered = Gathered()
    warnings = Warnings(gathered)
    warnings.tell(("x",), (problem(A, "two"), problem(A, "one")))
    warnings.tell(("y",), (problem(A, "two"),))
    warnings.settle()
    assert [p.code for told in gathered.settle().values() for p in told] == ["one", "two"]
    warnings.tell(("x",), ())
    warnings.settle()
    assert [p.code for told in gathered.settle().values() for p in told] == ["two"]
    warnings.tell(("y",), ())
    warnings.settle()
    assert gathered.settle() == {}
