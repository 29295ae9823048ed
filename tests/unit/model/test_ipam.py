"""Pools, reservations and blocks as values, and what is refused of them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from addressing import block, loan, pool, raw_pod, reservation
from tandem.model.core import Pod
from tandem.model.ipam import LoanState, addresses_of, valid_addresses_of
from tandem.model.parse import parse


@pytest.mark.parametrize(
    ("cidr", "spec", "size"),
    [
        ("10.0.0.0/16", {}, 26),
        ("10.0.0.0/28", {}, 28),
        ("10.0.0.0/16", {"blockSize": 29}, 29),
        ("fd00::/48", {}, 122),
    ],
)
def test_a_pool_has_blocks_of_a_default_length(cidr: str, spec: dict[str, Any], size: int) -> None:
    assert pool(cidr, **spec).block_size == size


def test_a_pool_serves_the_nodes_that_its_selector_chooses_unless_it_is_disabled() -> None:
    chosen = pool("10.0.0.0/16", nodeSelector={"matchLabels": {"zone": "a"}})
    assert chosen.serves({"zone": "a"})
    assert not chosen.serves({})
    assert pool("10.0.0.0/16").serves({})
    assert not pool("10.0.0.0/16", disabled=True).serves({})


def test_a_pool_holds_what_lies_in_it() -> None:
    assert pool("10.0.0.0/16").holds("10.0.7.0/24")
    assert not pool("10.0.0.0/16").holds("10.0.0.0/8")
    assert not pool("10.0.0.0/16").holds("fd00::/120")


def test_loans_are_read_with_their_state() -> None:
    found = block("10.0.0.0/29", "a", loan("10.0.0.2", "b", LoanState.LENT, "x")).spec.loans
    assert [(one.address, one.node, one.state, one.id) for one in found] == [("10.0.0.2", "b", LoanState.LENT, "x")]


def test_reserved_prefixes_are_read() -> None:
    assert reservation("r", "10.0.0.0/30", "10.0.0.9").spec.reserved_cidrs == ("10.0.0.0/30", "10.0.0.9")


def test_the_addresses_that_a_pod_asks_for_are_its_own_words_and_those_that_are_addresses() -> None:
    asking = cast("Pod", parse(raw_pod("p", "n", " 10.0.0.2", "FD00:0::2", "x")))
    assert addresses_of(asking) == ("10.0.0.2", "FD00:0::2", "x")
    assert valid_addresses_of(asking) == ("10.0.0.2", "fd00::2")
