"""What a prefix gives out."""

from __future__ import annotations

import pytest

from tandem.base.addresses import family
from tandem.base.block import Block, number_of, span, text_of


def given(prefix: str) -> tuple[str, str, int]:
    block = Block(prefix)
    return text_of(block.family, block.low), text_of(block.family, block.high), block.size


@pytest.mark.parametrize(
    ("prefix", "low", "high", "size"),
    [
        ("10.0.0.0/29", "10.0.0.2", "10.0.0.6", 5),
        ("10.244.7.0/24", "10.244.7.2", "10.244.7.254", 253),
        ("fd00::/126", "fd00::2", "fd00::3", 2),
        ("10.0.0.5/32", "10.0.0.5", "10.0.0.5", 1),
        ("fd00::5/128", "fd00::5", "fd00::5", 1),
    ],
)
def test_network_first_and_broadcast_addresses_are_not_given_out(prefix: str, low: str, high: str, size: int) -> None:
    assert given(prefix) == (low, high, size)


def test_of_a_large_prefix_the_beginning_is_used() -> None:
    assert given("fd00:1::/64") == ("fd00:1::2", "fd00:1::1:0", 65535)


def test_the_first_address_is_the_gateway() -> None:
    assert Block("10.244.7.0/24").gateway == "10.244.7.1"


def test_a_prefix_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/31: no room for a pod; use /29 or shorter"):
        Block("10.0.0.0/31")


def test_membership_is_by_family_and_number() -> None:
    assert "10.0.0.1" in Block("10.0.0.0/29")
    assert "10.0.0.8" not in Block("10.0.0.0/29")
    assert "::a00:1" not in Block("10.0.0.0/29")


def test_addresses_and_numbers_are_one_to_one() -> None:
    for address in ("10.0.0.7", "fd00::7"):
        assert text_of(family(address), number_of(address)) == address
    assert span("10.0.0.0/30") == (4, number_of("10.0.0.0"), number_of("10.0.0.3"))
