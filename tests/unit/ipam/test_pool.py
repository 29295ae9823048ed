"""Which address comes next."""

from __future__ import annotations

import pytest

from tandem.ipam.pool import Pool, PoolFullError


def test_network_first_and_broadcast_addresses_are_never_given() -> None:
    pool, taken, last = Pool("10.0.0.0/29"), set[str](), ""
    while len(taken) < pool.size:
        last = pool.next(taken, last=last)
        taken.add(last)
    assert taken == {f"10.0.0.{n}" for n in range(2, 7)}


def test_the_first_address_is_the_gateway() -> None:
    assert Pool("10.244.7.0/24").gateway == "10.244.7.1"


def test_a_freed_address_is_not_given_again_at_once() -> None:
    pool = Pool("10.0.0.0/29")
    assert pool.next(set(), last="10.0.0.2") == "10.0.0.3"


def test_the_search_goes_round() -> None:
    assert Pool("10.0.0.0/29").next({"10.0.0.6"}, last="10.0.0.5") == "10.0.0.2"


def test_a_last_address_of_another_prefix_starts_anew() -> None:
    assert Pool("10.0.0.0/29").next(set(), last="10.9.0.5") == "10.0.0.2"


def test_a_reserved_last_address_starts_anew() -> None:
    assert Pool("10.0.0.0/29").next(set(), last="10.0.0.1") == "10.0.0.2"


def test_a_full_pool_names_prefix_size_and_cure() -> None:
    with pytest.raises(PoolFullError, match=r"10\.0\.0\.0/30 is full: all 1 addresses are in use; delete pods"):
        Pool("10.0.0.0/30").next({"10.0.0.2"})


def test_foreign_addresses_do_not_fill_a_pool() -> None:
    assert Pool("10.0.0.0/30").next({"10.9.0.1", "10.9.0.2"}) == "10.0.0.2"


def test_a_prefix_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="no room for a pod"):
        Pool("10.0.0.0/31")


def test_ipv6_has_no_broadcast_address() -> None:
    pool = Pool("fd00::/126")
    assert pool.size == 2
    assert pool.next({"fd00::2"}) == "fd00::3"
