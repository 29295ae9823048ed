"""Route matches."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.compile.envoy.filters.grpcweb import CONTENT_TYPE
from tandem.compile.envoy.match import route_match
from tandem.ir.mesh import Exact, HeaderMatch, PathPrefix, Prefix, Present, QueryMatch, Regex, RouteMatch, StringMatch


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (None, {"prefix": "/"}),
        (Exact("/a"), {"path": "/a"}),
        (Prefix("/a"), {"prefix": "/a"}),
        (PathPrefix("/a"), {"path_separated_prefix": "/a"}),
        (PathPrefix("/a/"), {"path_separated_prefix": "/a"}),
        (PathPrefix("/"), {"prefix": "/"}),
        (Regex("/a.*"), {"safe_regex": {"regex": "/a.*"}}),
    ],
)
def test_paths(path: StringMatch | None, expected: dict[str, Any]) -> None:
    assert route_match(RouteMatch(path=path)) == expected


def test_a_share_of_the_requests_is_those_whose_lot_is_below() -> None:
    assert route_match(RouteMatch(until=250_000)) == {
        "prefix": "/",
        "runtime_fraction": {"default_value": {"numerator": 250_000, "denominator": "MILLION"}},
    }


def test_case_is_ignored_on_request() -> None:
    assert route_match(RouteMatch(path=Exact("/a"), ignore_case=True))["case_sensitive"] is False


def test_a_method_is_a_pseudo_header() -> None:
    (header,) = route_match(RouteMatch(method=Exact("GET")))["headers"]
    assert header == {"name": ":method", "string_match": {"exact": "GET"}}


def test_calls_of_grpc_are_told_by_their_content_type() -> None:
    header = {"name": "content-type", "string_match": {"safe_regex": {"regex": CONTENT_TYPE}}}
    assert route_match(RouteMatch(grpc=True)) == {"prefix": "/", "headers": [header]}


def test_not_having_a_value_holds_without_the_header() -> None:
    (header,) = route_match(RouteMatch(headers=(HeaderMatch(name="x", match=Exact("1"), invert=True),)))["headers"]
    assert header["invert_match"] is True
    assert header["treat_missing_header_as_empty"] is True


def test_presence_and_absence_of_a_header() -> None:
    present, absent = (HeaderMatch(name="x", match=Present(), invert=i) for i in (False, True))
    made = route_match(RouteMatch(headers=(present, absent)))["headers"]
    assert made == [{"name": "x", "present_match": True}, {"name": "x", "present_match": True, "invert_match": True}]


def test_an_empty_prefix_is_every_value() -> None:
    (header,) = route_match(RouteMatch(headers=(HeaderMatch(name="x", match=Prefix("")),)))["headers"]
    assert header["string_match"] == {"safe_regex": {"regex": ".*"}}


def test_query_parameters() -> None:
    made = route_match(
        RouteMatch(query=(QueryMatch(name="v", match=Exact("1")), QueryMatch(name="w", match=Present())))
    )
    assert made["query_parameters"] == [
        {"name": "v", "string_match": {"exact": "1"}},
        {"name": "w", "present_match": True},
    ]
