"""Hosts outside the cluster."""

from __future__ import annotations

import pytest

from tandem.ir.external import External


@pytest.mark.parametrize(
    ("host", "name", "covered"),
    [
        ("api.example.com", "api.example.com", True),
        ("api.example.com", "www.api.example.com", False),
        ("*.example.com", "api.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "badexample.com", False),
    ],
)
def test_a_wildcard_stands_for_one_or_more_labels(host: str, name: str, *, covered: bool) -> None:
    assert External(host=host).covers(name) is covered


def test_a_host_is_seen_from_where_it_is_exported_to() -> None:
    assert External(host="a.b").seen_from("anywhere")
    assert External(host="a.b", exported=("shop",)).seen_from("shop")
    assert not External(host="a.b", exported=("shop",)).seen_from("other")
    assert not External(host="a.b", exported=()).seen_from("shop")
