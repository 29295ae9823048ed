"""Addresses and prefixes by family."""

from __future__ import annotations

from tandem.compile.nft.families import V4, V6, of_family, prefixes, without
from tandem.state import nft


def test_addresses_are_canonical_and_sorted() -> None:
    mixed = ("10.0.0.10", "FD00:0::1", "10.0.0.9")
    assert of_family(mixed, V4) == ["10.0.0.9", "10.0.0.10"]
    assert of_family(mixed, V6) == ["fd00::1"]


def test_prefixes_do_not_overlap() -> None:
    texts = ("10.0.0.0/25", "10.0.0.128/25", "10.0.0.7/32", "fd00::/64")
    assert prefixes(texts, V4) == (nft.Prefix("10.0.0.0", 24),)
    assert prefixes(texts, V6) == (nft.Prefix("fd00::", 64),)


def test_addresses_are_taken_out_of_prefixes_of_their_family() -> None:
    found = (nft.Prefix("10.0.0.0", 30), nft.Prefix("fd00::", 127))
    assert without(found, ("10.0.0.1", "fd00::", "10.9.9.9", "10.0.0.1")) == (
        nft.Prefix("10.0.0.0", 32),
        nft.Prefix("10.0.0.2", 31),
        nft.Prefix("fd00::1", 128),
    )
