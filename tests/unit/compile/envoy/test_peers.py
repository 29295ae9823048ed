"""What is before everything else where several trust domains count; with a real Envoy: tests/e2e/test_federation.py."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tandem.compile.envoy.peers import before_peers
from tandem.ir.trust import Domains


def test_it_is_there_where_there_are_sources_of_trust() -> None:
    assert before_peers(None) == before_peers(Domains(own="a")) == []
    assert [f["name"] for f in before_peers(Domains(own="a", sourced=True))] == ["one-name"]


@pytest.mark.parametrize(
    ("names", "several"),
    [
        ("spiffe://b/web", False),
        ("spiffe://b/web,spiffe://a/ns/shop/sa/web", True),
        ("spiffe://b/web,", True),
        ("spiffe://b/web,spiffe://a/x\n", True),
        ("spiffe://b/we\nb,spiffe://a/x", True),
    ],
)
def test_several_names_are_denied(names: str, several: bool) -> None:  # noqa: FBT001
    (made,) = before_peers(Domains(own="a", sourced=True))
    config: Any = made["typed_config"]["matcher"]
    (matcher,) = config["matcher_list"]["matchers"]
    pattern = matcher["predicate"]["single_predicate"]["value_match"]["safe_regex"]["regex"]
    assert bool(re.fullmatch(pattern, names)) is several
    assert matcher["on_match"]["action"]["typed_config"]["action"] == "DENY"
    assert config["on_no_match"]["action"]["typed_config"]["action"] == "ALLOW"
