"""An order of rules as specificity; that decisions stay the same is in tests/property/test_gatewayapi.py."""

from __future__ import annotations

import pytest

from tandem.ir.mesh import Exact, HeaderMatch, PathPrefix, QueryMatch, Regex, RouteMatch, StringMatch
from tandem.translate.gatewayapi.order import arranged
from tandem.translate.mesh.httproute import rank

V1, V1X, V2 = PathPrefix("/v1"), PathPrefix("/v1/x"), PathPrefix("/v2")


def match(path: StringMatch | None = None, method: str = "", **headers: str) -> RouteMatch:
    asked = tuple(HeaderMatch(name=name, match=Exact(value)) for name, value in headers.items())
    return RouteMatch(path=path, method=Exact(method) if method else None, headers=asked)


def test_rules_in_the_order_of_specificity_stay_as_they_are() -> None:
    rules = [(match(Exact("/v1/x")),), (match(V1X),), (match(V1, a="1"),), (match(V1),), (match(),)]
    assert arranged(rules) == (rules, [])


def test_a_general_rule_before_a_specific_one_takes_what_both_ask_for() -> None:
    made, unkept = arranged([(match(a="1"),), (match(V1),)])
    assert made == [(match(a="1"), match(V1, a="1")), (match(V1),)]
    assert unkept == []


def test_what_cannot_hold_together_is_not_added() -> None:
    rules = [(match(V2, a="1"),), (match(V1X),), (match(a="2", b="1"),), (match(method="GET"),), (match(V2, "POST"),)]
    made, unkept = arranged([rules[0], rules[1]])
    assert (made, unkept) == ([rules[0], rules[1]], [])
    made, _ = arranged([(match(method="POST"),), (match(V1, "GET"),)])
    assert made[0] == (match(method="POST"),)


def test_three_rules_are_closed_under_what_was_added() -> None:
    made, _ = arranged([(match(a="1"),), (match(b="1"),), (match(V1),)])
    assert made[1] == (match(b="1"), match(V1, b="1"))
    assert set(made[0]) == {match(a="1"), match(V1, a="1"), match(V1, a="1", b="1")}


def test_an_exact_value_stands_for_a_pattern_that_it_fits() -> None:
    pattern = RouteMatch(headers=(HeaderMatch(name="a", match=Regex("x+")),))
    for wanted, found in (("xx", 1), ("y", 0)):
        made, unkept = arranged([(pattern,), (match(V1, a=wanted),)])
        assert (len(made[0]) - 1, unkept) == (found, [])


@pytest.mark.parametrize(
    "later",
    [
        match(Regex("/v.*")),
        RouteMatch(path=V1X, query=(QueryMatch(name="k", match=Regex("a.*")),)),
        RouteMatch(path=Exact("/v1"), query=(QueryMatch(name="k", match=Regex("(")),)),
    ],
)
def test_two_patterns_of_one_name_cannot_be_written_and_are_told(later: RouteMatch) -> None:
    earlier = RouteMatch(path=V1, query=(QueryMatch(name="k", match=Regex(".*b")),))
    assert arranged([(earlier,), (later,)]) == ([(earlier,), (later,)], [0])


def test_ranks_are_those_of_the_specification() -> None:
    ordered = [
        match(Exact("/")),
        match(Regex("/v1")),
        match(V1X),
        match(V1, "GET"),
        match(V1, a="1"),
        match(V1),
        match(),
    ]
    assert sorted(ordered, key=rank) == ordered
