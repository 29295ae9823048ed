"""Attributes in bytes."""

from __future__ import annotations

from tandem.drivers.nft.attributes import nested, number32, text


def test_an_attribute_has_its_length_and_ends_with_a_whole_word() -> None:
    assert text(1, "a") == b"\x06\x00\x01\x00a\x00\x00\x00"
    assert number32(2, 1) == b"\x08\x00\x02\x00\x00\x00\x00\x01"
    assert nested(1, b"")[2:] == b"\x01\x80"
