"""Verdicts and conditions."""

from __future__ import annotations

from tandem.base.problems import Origin, Problem, Severity
from tandem.model.meta import Condition
from tandem.translate.conditions import SHOWN, accepted_of, conditions_after, message_of, programmed_of

AT = Origin(kind="HTTPRoute", namespace="a", name="b", path="spec.x")


def problem(text: str, severity: Severity = Severity.ERROR) -> Problem:
    return Problem(at=AT, code="Bad", text=text, severity=severity)


def test_the_first_error_is_the_reason_and_warnings_are_told_beside() -> None:
    warning = problem("odd", Severity.WARNING)
    assert accepted_of([warning, problem("no")]) == ("Accepted", False, "Bad", "spec.x: no")
    assert accepted_of([warning]) == ("Accepted", True, "Accepted", "spec.x: odd")


def test_many_problems_are_told_in_part() -> None:
    assert message_of([problem(str(i)) for i in range(SHOWN + 2)]).endswith("; and 2 more")


def test_programmed_follows_accepted_and_the_nodes() -> None:
    yes = accepted_of([])
    assert [programmed_of(yes, state)[1:3] for state in (None, (True, ""), (False, "wait"))] == [
        (True, "Programmed"),
        (True, "Programmed"),
        (False, "Pending"),
    ]
    assert programmed_of(accepted_of([problem("no")]), (True, ""))[1:3] == (False, "Invalid")


def test_conditions_of_others_stay_and_a_time_changes_with_the_status_alone() -> None:
    other = Condition(type="Theirs", status="True", reason="x")
    first = conditions_after((other,), [accepted_of([])], 1, 0.0)
    again = conditions_after(first, [accepted_of([problem("odd", Severity.WARNING)])], 2, 9.0)
    changed = conditions_after(again, [accepted_of([problem("no")])], 2, 9.0)
    assert [c.type for c in changed] == ["Theirs", "Accepted"]
    assert first[1].last_transition_time == again[1].last_transition_time != changed[1].last_transition_time
    assert again[1].observed_generation == 2
