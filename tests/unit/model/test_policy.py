"""NetworkPolicy as the API defaults it."""

from __future__ import annotations

import pytest

from builders import policy


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({}, {"Ingress"}),
        ({"egress": [{}]}, {"Ingress", "Egress"}),
        ({"egress": []}, {"Ingress"}),
        ({"policyTypes": ["Egress"]}, {"Egress"}),
        ({"policyTypes": ["Egress"], "ingress": [{}]}, {"Egress"}),
    ],
)
def test_types_that_are_not_given_follow_from_the_rules(spec: dict[str, object], types: set[str]) -> None:
    assert policy("p", **spec).types == types  # type: ignore[arg-type]


def test_absent_null_and_empty_rules_are_one_thing() -> None:
    assert policy("p").spec == policy("p", ingress=None).spec == policy("p", ingress=[]).spec


def test_from_to_and_except_are_read_under_their_names() -> None:
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
    spec = policy("p", ingress=[{"from": [block]}], egress=[{"to": [block]}]).spec
    for peers in (spec.ingress[0].peers, spec.egress[0].peers):
        assert peers[0].ip_block is not None
        assert peers[0].ip_block.excepts == ("10.1.0.0/16",)
