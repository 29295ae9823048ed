"""SPIFFE ids."""

from __future__ import annotations

import pytest

from tandem.identity.spiffe import Workload, is_trust_domain, parse, spiffe_id


def test_ids_are_made_and_read_back() -> None:
    made = spiffe_id("shop", "web")
    assert made == "spiffe://cluster.local/ns/shop/sa/web"
    assert parse(made) == Workload("cluster.local", "shop", "web")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spiffe://cluster.local",
        "http://cluster.local/ns/a/sa/b",
        "spiffe://cluster.local/ns/a/sa/b/",
        "spiffe://cluster.local/ns/a/sa/..",
        "spiffe://Cluster.local/ns/a/sa/b",
        "spiffe://cluster.local/ns/a/sa/b?x",
        "spiffe://cluster.local/ns/a/sa/b\n",
        "spiffe://cluster.local/ns/a/sa/" + "b" * 2048,
    ],
)
def test_what_is_no_workload_id_is_not_read(text: str) -> None:
    assert parse(text) is None


def test_an_impossible_part_is_refused() -> None:
    with pytest.raises(ValueError, match="a/b"):
        spiffe_id("a/b", "web")


def test_trust_domains_are_lower_case() -> None:
    assert is_trust_domain("cluster.local")
    assert not is_trust_domain("Cluster.local")
    assert not is_trust_domain("")
