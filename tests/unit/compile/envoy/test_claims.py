"""Matchers of tokens; what Envoy makes of them is in tests/netns/test_mesh_tokens.py."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.compile.envoy.claims import provider_claim, token_claim, token_subject
from tandem.ir.authz import Suffix, Text
from tandem.ir.mesh import Exact, Prefix, Present


def ways(value: Text) -> list[tuple[Any, Any]]:
    """(matcher of the issuer, matcher of the subject) of each way to read a text."""
    found = token_subject(value)
    return [
        tuple(part["metadata"]["value"]["string_match"] for part in way["and_ids"]["ids"])
        for way in found.get("or_ids", {}).get("ids", [found])
    ]


ANY = {"safe_regex": {"regex": ".+"}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Exact("i/s"), [({"exact": "i"}, {"exact": "s"})]),
        (Exact("i/x/s"), [({"exact": "i"}, {"exact": "x/s"}), ({"exact": "i/x"}, {"exact": "s"})]),
        (Prefix("i"), [({"prefix": "i"}, ANY)]),
        (Prefix("i/"), [({"exact": "i"}, ANY), ({"prefix": "i/"}, ANY)]),
        (Prefix("i/s"), [({"exact": "i"}, {"prefix": "s"}), ({"prefix": "i/s"}, ANY)]),
        (Suffix("/s"), [(ANY, {"exact": "s"}), (ANY, {"suffix": "/s"})]),
        (Present(), [(ANY, ANY)]),
    ],
)
def test_a_subject_is_issuer_slash_subject(value: Text, expected: Any) -> None:
    assert ways(value) == expected


def test_a_subject_without_a_slash_is_nobody() -> None:
    assert token_subject(Exact("me")) == {"not_id": {"any": True}}


def test_a_claim_is_a_text_or_a_list_with_one() -> None:
    found = token_claim(("a", "b"), Exact("x"))["metadata"]
    assert [key["key"] for key in found["path"]] == ["payload", "a", "b"]
    text = {"string_match": {"exact": "x"}}
    assert found["value"] == {"or_match": {"value_matchers": [text, {"list_match": {"one_of": text}}]}}


def test_a_claim_of_a_provider_is_a_text_of_its_own_payload() -> None:
    found = provider_claim("shop/p", ("a", "b"), Exact("x"))["metadata"]
    assert [key["key"] for key in found["path"]] == ["shop/p", "a", "b"]
    assert found["value"] == {"string_match": {"exact": "x"}}
    there = provider_claim("shop/p", (), Present())["metadata"]
    assert ([key["key"] for key in there["path"]], there["value"]) == (["shop/p"], {"present_match": True})
