"""Ends of the fast path as values."""

from __future__ import annotations

from tandem.state.fastpath import FastEnd


def test_ends_are_sorted_by_their_addresses() -> None:
    later = FastEnd(address="10.0.0.3", host_ifname="td1", mac="02:00:00:00:00:01")
    first = FastEnd(address="10.0.0.2", host_ifname="td2", mac="02:00:00:00:00:02")
    assert sorted([later, first]) == [first, later]
