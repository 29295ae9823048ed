"""Annotations of our group that an object has and nobody knows."""

from __future__ import annotations

from builders import policy
from tandem.model.annotations import unknown_of


def test_those_of_others_and_those_that_any_object_may_have_are_none_of_it() -> None:
    notes = {"tandem.io/known": "", "tandem.io/source": "f.yaml:1", "tandem.io/source-lines": "a=1", "other.io/x": "y"}
    assert unknown_of(policy(notes=notes), {"tandem.io/known"}) == {}


def test_each_is_told_with_the_one_that_may_be_meant() -> None:
    found = unknown_of(policy(notes={"tandem.io/x": "", "tandem.io/stage": ""}), {"tandem.io/staged"})
    assert list(found.items()) == [
        ("tandem.io/stage", "no NetworkPolicy has this annotation (did you mean tandem.io/staged?)"),
        ("tandem.io/x", "no NetworkPolicy has this annotation"),
    ]
