"""Texts in Secrets, and certificates in texts."""

from __future__ import annotations

from issuing import authority
from tandem.translate.texts import certificates_in, decoded

ONE, TWO = authority("one").pem, authority("two").pem


def test_each_is_taken_out_of_what_stands_around_it() -> None:
    assert certificates_in(f"# ours\n{ONE}\nand theirs\n{TWO}") == (ONE, TWO)


def test_where_one_cannot_be_read_there_is_none() -> None:
    assert certificates_in(ONE + TWO.replace("MII", "XII", 1)) == ()
    assert certificates_in("") == certificates_in("none") == ()


def test_what_is_no_text_is_empty() -> None:
    assert decoded("aGk=") == "hi"
    assert decoded("aGk") == decoded("/w==") == decoded("no base64") == decoded("") == ""
