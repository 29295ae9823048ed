"""Matches in Gateway API's forms, and what has none."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.base.problems import Origin
from tandem.ir.mesh import ClaimMatch, Exact, HeaderMatch, PathPrefix, Prefix, Present, QueryMatch, Regex, RouteMatch
from tandem.translate.gatewayapi.shapes import Remarks, shaped, written

AT = Origin(kind="VirtualService", name="web", namespace="shop", path="spec.http[0]")


def form(match: RouteMatch) -> tuple[dict[str, Any] | None, list[str]]:
    remarks = Remarks()
    found = shaped(match, AT, remarks)
    told = [f"{r.code} {r.at.path}" for r in remarks.all]
    return (written(found) if found is not None else None), told


@pytest.mark.parametrize(
    ("match", "wanted"),
    [
        (RouteMatch(), {}),
        (RouteMatch(path=Prefix("/")), {}),
        (RouteMatch(path=Exact("/v1")), {"path": {"type": "Exact", "value": "/v1"}}),
        (RouteMatch(path=PathPrefix("/v1")), {"path": {"type": "PathPrefix", "value": "/v1"}}),
        (RouteMatch(path=Regex("/v.")), {"path": {"type": "RegularExpression", "value": "/v."}}),
        (
            RouteMatch(path=Exact("/a.b"), ignore_case=True),
            {"path": {"type": "RegularExpression", "value": "(?i)/a\\.b"}},
        ),
        (
            RouteMatch(path=Prefix("/V"), ignore_case=True),
            {"path": {"type": "RegularExpression", "value": "(?i)/V.*"}},
        ),
        (RouteMatch(method=Exact("POST")), {"method": "POST"}),
        (
            RouteMatch(headers=(HeaderMatch(name="a", match=Exact("1")), HeaderMatch(name="b", match=Present()))),
            {
                "headers": [
                    {"name": "a", "value": "1"},
                    {"type": "RegularExpression", "name": "b", "value": ".*"},
                ]
            },
        ),
        (
            RouteMatch(query=(QueryMatch(name="k", match=Prefix("a+")),)),
            {"queryParams": [{"type": "RegularExpression", "name": "k", "value": "a\\+.*"}]},
        ),
    ],
)
def test_what_has_a_form(match: RouteMatch, wanted: dict[str, Any]) -> None:
    assert form(match) == (wanted, [])


def test_a_prefix_of_a_text_becomes_one_of_segments_and_is_told() -> None:
    wanted = {"path": {"type": "PathPrefix", "value": "/v1"}}
    for value in ("/v1", "/v1/"):
        assert form(RouteMatch(path=Prefix(value))) == (wanted, ["Changed spec.http[0].match.uri.prefix"])


@pytest.mark.parametrize(
    ("match", "path"),
    [
        (RouteMatch(source_labels=(("a", "b"),)), "match"),
        (RouteMatch(source_namespace="x"), "match"),
        (RouteMatch(method=Regex("G.*")), "match.method"),
        (RouteMatch(method=Exact("PURGE")), "match.method"),
        (RouteMatch(headers=(HeaderMatch(name=":authority", match=Exact("x")),)), "match.authority"),
        (RouteMatch(headers=(HeaderMatch(name="a", match=Exact("x"), invert=True),)), "match.withoutHeaders"),
        (RouteMatch(claims=(ClaimMatch(claim=("sub",), match=Exact("x")),)), "match.headers"),
    ],
)
def test_what_has_none_is_told(match: RouteMatch, path: str) -> None:
    assert form(match) == (None, [f"NotCarried spec.http[0].{path}"])


def test_each_remark_is_made_once() -> None:
    remarks = Remarks()
    for _ in range(2):
        shaped(RouteMatch(source_namespace="x"), AT, remarks)
    assert len(remarks) == 1
