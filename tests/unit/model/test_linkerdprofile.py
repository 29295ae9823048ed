"""ServiceProfiles as values."""

from __future__ import annotations

from linkerdworlds import profile


def test_conditions_are_within_conditions() -> None:
    some = {"any": [{"all": [{"method": "POST"}, {"not": {"pathRegex": "/a"}}]}]}
    condition = profile("a", {"name": "r", "condition": some}).spec.routes[0].condition
    inner = condition.some[0].every[1].negated
    assert inner is not None
    assert inner.path_regex == "/a"


def test_bounds_of_answers_have_names_of_their_own() -> None:
    classes = [{"condition": {"status": {"min": 500, "max": 503}}, "isFailure": True}]
    route = profile("a", {"name": "r", "condition": {"method": "GET"}, "responseClasses": classes}).spec.routes[0]
    bounds = route.response_classes[0].condition.status
    assert bounds is not None
    assert (bounds.least, bounds.most) == (500, 503)


def test_a_budget_is_a_fifth_unless_it_says_otherwise() -> None:
    budget = profile("a", retryBudget={}).spec.retry_budget
    assert budget is not None
    assert (budget.retry_ratio, budget.min_retries_per_second) == (0.2, 10)
