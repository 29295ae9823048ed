"""Conditions as matches, and answers as failures; tests/property/test_profiles.py judges them by a reference."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tandem.ir.match import Exact, HeaderMatch, Regex, RouteMatch
from tandem.model.linkerdprofile import RequestMatch, ResponseClass
from tandem.translate.mesh.linkerd.conditions import failures_of, matches_of, patterns_of

Raw = dict[str, Any]
GET, POST = {"method": "GET"}, {"method": "POST"}


def matches(condition: Raw) -> tuple[RouteMatch, ...]:
    return matches_of(msgspec.convert(condition, RequestMatch))


def test_alternatives_are_matches_and_what_must_hold_together_is_one() -> None:
    found = matches({"any": [{"pathRegex": "/a", "method": "GET"}, {"all": [{"pathRegex": "/b"}, POST]}]})
    assert found == (
        RouteMatch(path=Regex("/a"), method=Exact("GET")),
        RouteMatch(path=Regex("/b"), method=Exact("POST")),
    )


def test_what_must_not_hold_is_asked_as_a_header_is_and_the_query_does_not_count() -> None:
    (found,) = matches({"pathRegex": "/a.*", "not": {"any": [{"pathRegex": "/ab"}, POST]}})
    assert found.path == Regex("/a.*")
    assert set(found.headers) == {
        HeaderMatch(name=":path", match=Regex(r"(?:/ab)(?:\?.*)?"), invert=True),
        HeaderMatch(name=":method", match=Exact("POST"), invert=True),
    }


def test_neither_of_two_together_is_not_the_one_or_not_the_other() -> None:
    assert len(matches({"not": {"all": [GET, {"pathRegex": "/a"}]}})) == 2


def test_too_many_alternatives_are_none() -> None:
    seven = [{"pathRegex": f"/{i}"} for i in range(9)]
    assert matches({"all": [{"any": seven}, {"any": [{"pathRegex": f"/x{i}"} for i in range(9)]}]}) == ()


def test_every_pattern_is_found() -> None:
    condition = msgspec.convert({"pathRegex": "a", "any": [{"not": {"pathRegex": "b"}}, GET]}, RequestMatch)
    assert patterns_of(condition) == ["a", "b"]


@pytest.mark.parametrize(
    ("classes", "failing", "fine"),
    [
        ([], (500, 599), (404, 200)),
        ([{"condition": {"status": {"min": 404}}, "isFailure": True}], (404, 500), (403, 405)),
        ([{"condition": {"status": {"min": 500, "max": 502}}}], (503,), (500, 502)),
        (
            [
                {
                    "condition": {"all": [{"status": {"min": 400, "max": 499}}, {"not": {"status": {"max": 404}}}]},
                    "isFailure": True,
                },
                {"condition": {"any": [{"status": {"min": 500}}, {"status": {"min": 501}}]}},
            ],
            (400, 499, 502),
            (404, 500, 501),
        ),
    ],
)
def test_the_first_class_that_is_about_a_code_says_whether_it_is_a_failure(
    classes: list[Raw], failing: tuple[int, ...], fine: tuple[int, ...]
) -> None:
    found = failures_of(msgspec.convert(classes, tuple[ResponseClass, ...]))
    assert [code in found for code in (*failing, *fine)] == [True] * len(failing) + [False] * len(fine)
