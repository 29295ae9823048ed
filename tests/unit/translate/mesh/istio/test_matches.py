"""One HTTPMatchRequest."""

from __future__ import annotations

from typing import Any

import pytest

from meshworlds import vs
from tandem.ir.mesh import ClaimMatch, Exact, HeaderMatch, Prefix, Present, Regex, RouteMatch
from tandem.translate.mesh.istio.matches import MatchReader

FIELDS = ("headers", "withoutHeaders")


def read(**match: Any) -> tuple[RouteMatch, list[tuple[str, str]]]:
    source = vs(hosts=["a"], http=[{"match": [match]}])
    reader = MatchReader(source)
    found = reader.read(source.spec.http[0].match[0], "m")
    return found, [(p.at.path, p.code) for p in reader.problems]


def test_an_empty_match_matches_everything() -> None:
    assert read() == (RouteMatch(), [])


def test_a_prefix_of_statistics_is_told_and_matches_everything() -> None:
    assert read(statPrefix="x") == (RouteMatch(), [("m.statPrefix", "NoEffect")])


def test_the_kinds_of_string_match() -> None:
    assert read(uri={"exact": "/a"})[0].path == Exact("/a")
    assert read(uri={"prefix": "/a"})[0].path == Prefix("/a")
    assert read(uri={"regex": "/a.*"})[0].path == Regex("/a.*")


def test_a_header_without_a_value_must_be_there() -> None:
    assert read(headers={"X-Flag": {}})[0].headers == (HeaderMatch(name="x-flag", match=Present()),)


def test_parts_of_a_request_may_be_named_as_headers() -> None:
    found, problems = read(headers={":method": {"exact": "GET"}}, withoutHeaders={":path": {"prefix": "/a"}})
    method = HeaderMatch(name=":method", match=Exact("GET"))
    assert found.headers == (method, HeaderMatch(name=":path", match=Prefix("/a"), invert=True))
    assert problems == []
    assert read(headers={":status": {"exact": "200"}})[1] == [("m.headers[:status]", "InvalidValue")]


def test_headers_that_must_not_match_are_inverted() -> None:
    absent, problems = read(withoutHeaders={"x": {"regex": "*"}})
    assert (absent.headers, problems) == ((HeaderMatch(name="x", match=Present(), invert=True),), [])
    assert read(withoutHeaders={"x": {"exact": "1"}})[0].headers == (
        HeaderMatch(name="x", match=Exact("1"), invert=True),
    )


def test_of_one_that_names_gateways_nothing_else_about_sources_counts() -> None:
    whom = {"sourceLabels": {"app": "a"}, "sourceNamespace": "shop"}
    assert read(**whom)[0] == RouteMatch(source_namespace="shop", source_labels=(("app", "a"),))
    assert read(**whom, gateways=["mesh"])[0] == RouteMatch()


CLAIMS = "@request.auth.claims"


@pytest.mark.parametrize("gateways", [[], ["mesh"], ["shop", "mesh"]])
def test_claims_are_not_known_to_clients(gateways: list[str]) -> None:
    _, problems = read(headers={f"{CLAIMS}.groups": {"exact": "a"}}, gateways=gateways)
    assert problems == [(f"m.headers[{CLAIMS}.groups]", "UnsupportedValue")]


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        (f"{CLAIMS}.groups", ("groups",)),
        (f"{CLAIMS}.a.b", ("a", "b")),
        (f"{CLAIMS}[a.b][c]", ("a.b", "c")),
        (CLAIMS, ()),
        (f"{CLAIMS}.a..b", ()),
        (f"{CLAIMS}[a]b", ()),
        ("@request.auth", ()),
    ],
)
def test_at_gateways_claims_are_matched(name: str, claim: tuple[str, ...]) -> None:
    found, problems = read(headers={name: {"exact": "a"}}, withoutHeaders={name: {"prefix": "b"}}, gateways=["shop"])
    assert found.headers == ()
    assert found.claims == (
        ClaimMatch(claim=claim, match=Exact("a")),
        ClaimMatch(claim=claim, match=Prefix("b"), invert=True),
    )
    assert problems == ([] if claim else [(f"m.{field}[{name}]", "InvalidValue") for field in FIELDS])


def test_a_claim_without_a_value_must_be_there() -> None:
    found, _ = read(headers={f"{CLAIMS}.sub": {}}, gateways=["shop"])
    assert found.claims == (ClaimMatch(claim=("sub",), match=Present()),)


def test_authority_and_scheme_are_pseudo_headers() -> None:
    found = read(authority={"exact": "a"}, scheme={"exact": "http"})[0].headers
    assert [h.name for h in found] == [":authority", ":scheme"]


def test_case_is_ignored_for_exact_and_prefix_alone() -> None:
    assert read(uri={"prefix": "/a"}, ignoreUriCase=True)[0].ignore_case
    assert not read(uri={"regex": "/a"}, ignoreUriCase=True)[0].ignore_case


def test_port_and_source_limit_the_match() -> None:
    found = read(port=80, sourceNamespace="shop", sourceLabels={"b": "2", "a": "1"})[0]
    assert (found.ports, found.source_namespace, found.source_labels) == ((80,), "shop", (("a", "1"), ("b", "2")))


def test_mistakes_are_named_at_their_field() -> None:
    assert read(uri={"regex": "("})[1] == [("m.uri.regex", "InvalidValue")]
    assert read(uri={"exact": "a", "prefix": "b"})[1] == [("m.uri", "InvalidValue")]
    assert read(headers={"uri": {"exact": "/"}})[1] == [("m.headers[uri]", "InvalidValue")]
