"""Label selectors and their emptiness."""

from __future__ import annotations

import pytest

from tandem.model.selectors import LabelSelector, Requirement, matches, matches_map

LABELS = {"app": "web", "tier": "front"}


def by(operator: str, key: str = "app", *values: str) -> LabelSelector:
    return LabelSelector(match_expressions=(Requirement(key=key, operator=operator, values=values),))


def test_an_empty_selector_is_everything() -> None:
    assert matches(LabelSelector(), LABELS)
    assert matches(LabelSelector(), {})


def test_an_empty_service_selector_is_nobody() -> None:
    assert not matches_map({}, LABELS)
    assert matches_map({"app": "web"}, LABELS)
    assert not matches_map({"app": "web", "tier": "back"}, LABELS)


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        (by("In", "app", "web", "db"), True),
        (by("In", "app", "db"), False),
        (by("In", "zone", "a"), False),
        (by("NotIn", "app", "web"), False),
        (by("NotIn", "app", "db"), True),
        (by("NotIn", "zone", "a"), True),
        (by("Exists", "app"), True),
        (by("Exists", "zone"), False),
        (by("DoesNotExist", "zone"), True),
        (by("DoesNotExist", "app"), False),
    ],
)
def test_an_absent_label_is_in_nothing_and_not_in_everything(selector: LabelSelector, holds: bool) -> None:  # noqa: FBT001
    assert matches(selector, LABELS) == holds


def test_all_parts_must_hold() -> None:
    both = LabelSelector(match_labels={"app": "web"}, match_expressions=by("Exists", "zone").match_expressions)
    assert not matches(both, LABELS)
    assert matches(both, {**LABELS, "zone": ""})


def test_a_label_with_an_empty_value_is_there() -> None:
    assert matches(by("Exists", "zone"), {"zone": ""})
    assert not matches_map({"zone": ""}, {})


def test_an_operator_that_the_api_does_not_know_is_a_bug() -> None:
    with pytest.raises(ValueError, match="Near"):
        matches(by("Near"), LABELS)
