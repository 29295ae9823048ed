"""Families of addresses and prefixes."""

from __future__ import annotations

import pytest

from tandem.base.addresses import family, host_prefix


@pytest.mark.parametrize(
    ("text", "version"), [("10.244.0.5", 4), ("10.244.0.0/16", 4), ("fd00::5", 6), ("::/0", 6), ("::ffff:10.0.0.1", 6)]
)
def test_the_family_is_that_of_the_text(text: str, version: int) -> None:
    assert family(text) == version


def test_the_prefix_of_one_address_is_as_long_as_the_address() -> None:
    assert host_prefix("10.244.0.5") == "10.244.0.5/32"
    assert host_prefix("fd00::5") == "fd00::5/128"
