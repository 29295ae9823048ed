"""Families of addresses and prefixes."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tandem.base.addresses import families, family, host_prefix, is_address, order, outside_of, special_of


@pytest.mark.parametrize(
    ("text", "version"), [("10.244.0.5", 4), ("10.244.0.0/16", 4), ("fd00::5", 6), ("::/0", 6), ("::ffff:10.0.0.1", 6)]
)
def test_the_family_is_that_of_the_text(text: str, version: int) -> None:
    assert family(text) == version


def test_families_are_told_once_and_in_order() -> None:
    assert families(("fd00::5", "10.244.0.5", "fd00::/64")) == (4, 6)
    assert families(("fd00::5",)) == (6,)
    assert families(()) == ()


def test_a_host_name_and_a_prefix_are_no_address() -> None:
    assert [is_address(t) for t in ("10.0.0.1", "::1", "10.0.0", "", "10.0.0.0/8", "node-1")] == [True] * 2 + [
        False
    ] * 4


def test_the_prefix_of_one_address_is_as_long_as_the_address() -> None:
    assert host_prefix("10.244.0.5") == "10.244.0.5/32"
    assert host_prefix("fd00::5") == "fd00::5/128"


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("127.0.0.0/16", "127.0.0.0/8 (loopback)"),
        ("127.1.2.3/32", "127.0.0.0/8 (loopback)"),
        ("0.0.0.0/0", "0.0.0.0/8 (this network)"),
        ("239.0.0.0/24", "224.0.0.0/4 (multicast)"),
        ("fe80::/64", "fe80::/10 (link-local)"),
        ("::ffff:10.0.0.0/112", "::ffff:0:0/96 (IPv4 inside IPv6)"),
    ],
)
def test_addresses_with_a_use_of_their_own_are_named(prefix: str, said: str) -> None:
    assert special_of(ip_network(prefix)) == said


@pytest.mark.parametrize("prefix", ["10.0.0.0/8", "128.0.0.0/9", "240.0.0.0/8", "fd00::/8", "2001:db8::/32"])
def test_other_addresses_are_anybodys(prefix: str) -> None:
    assert not special_of(ip_network(prefix))


def test_addresses_are_in_the_order_of_their_numbers_version_4_first() -> None:
    assert sorted(["fd00::1", "10.0.0.10", "10.0.0.9", "9.0.0.1"], key=order) == [
        "9.0.0.1",
        "10.0.0.9",
        "10.0.0.10",
        "fd00::1",
    ]


def test_what_is_left_of_a_prefix_is_without_the_others() -> None:
    assert outside_of("10.0.0.0/30", ["10.0.0.1/32", "10.0.0.0/32", "fd00::/8"]) == ("10.0.0.2/31",)
    assert outside_of("10.0.0.0/24", ["10.0.0.0/16"]) == ()
    assert outside_of("10.0.0.0/23", ["10.0.0.0/24", "10.0.1.0/24"]) == ()
    assert outside_of("fd00::/64", []) == ("fd00::/64",)
    assert len(outside_of("0.0.0.0/0", ["10.244.0.0/24", "10.244.1.0/24"])) == 23
