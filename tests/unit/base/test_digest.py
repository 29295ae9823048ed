"""Digests for names."""

from __future__ import annotations

from tandem.base.digest import digest


def test_digests_stay_the_same_for_ever() -> None:
    assert digest("") == "e3b0c44298"
    assert digest("shop/web", 16) == "97375646b1deb3d2"


def test_text_and_its_bytes_are_one_input() -> None:
    assert digest("ü") == digest("ü".encode())


def test_the_length_is_that_asked_for() -> None:
    assert [len(digest("x", n)) for n in (1, 10, 64)] == [1, 10, 64]
