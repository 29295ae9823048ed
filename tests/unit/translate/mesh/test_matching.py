"""Matches of routes."""

from __future__ import annotations

import pytest

from tandem.ir.match import Exact, HeaderMatch, PathPrefix, Prefix, QueryMatch, Regex, RouteMatch, StringMatch
from tandem.model import gateway
from tandem.model.gateway import HttpRouteMatch, PathMatch
from tandem.model.grpcroute import GrpcRouteMatch, MethodMatch
from tandem.translate.mesh.matching import MatchReader

Told = list[tuple[str, str]]


def reader(told: Told) -> MatchReader:
    return MatchReader(lambda path, code, _: told.append((path, code)))


def test_header_names_are_one_without_regard_to_case_and_query_names_are_not() -> None:
    headers = (gateway.HeaderMatch(name="X", value="1"), gateway.HeaderMatch(name="x", value="2"))
    query = (gateway.QueryMatch(name="X", value="1"), gateway.QueryMatch(name="x", value="2", type="RegularExpression"))
    found = reader([]).http(HttpRouteMatch(headers=headers, query_params=query), "at")
    assert found.headers == (HeaderMatch(name="x", match=Exact("1")),)
    assert found.query == (QueryMatch(name="X", match=Exact("1")), QueryMatch(name="x", match=Regex("2")))


def test_a_pattern_that_envoy_would_refuse_is_a_mistake_at_its_field() -> None:
    told: Told = []
    reader(told).regex("(?=a)", "spec.x")
    assert told == [("spec.x", "InvalidValue")]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (PathMatch(), None),
        (PathMatch(value="/a/"), PathPrefix("/a")),
        (PathMatch(value="/a", type="Exact"), Exact("/a")),
        (PathMatch(value="/a.*", type="RegularExpression"), Regex("/a.*")),
    ],
)
def test_paths(path: PathMatch, found: StringMatch | None) -> None:
    assert reader([]).http(HttpRouteMatch(path=path), "at") == RouteMatch(path=found)


def test_unknown_types_and_paths_without_a_slash_are_told() -> None:
    told: Told = []
    reader(told).http(HttpRouteMatch(path=PathMatch(value="a", type="Suffix")), "m")
    assert told == [("m.path.value", "InvalidValue"), ("m.path.type", "UnsupportedValue")]


@pytest.mark.parametrize(
    ("method", "found"),
    [
        (None, None),
        (MethodMatch(service="a", method="b"), Exact("/a/b")),
        (MethodMatch(service="a"), Prefix("/a/")),
        (MethodMatch(method="b"), Regex("/[^/]+/b")),
        (MethodMatch(service="a|b", type="RegularExpression"), Regex("/(?:a|b)/[^/]+")),
    ],
)
def test_methods_of_grpc_are_paths(method: MethodMatch | None, found: StringMatch | None) -> None:
    assert reader([]).grpc(GrpcRouteMatch(method=method), "at") == RouteMatch(path=found, grpc=True)
