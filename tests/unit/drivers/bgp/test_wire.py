"""Passwords on their way from control to an agent."""

from __future__ import annotations

import base64

import msgspec
import pytest

from tandem.drivers.bgp.wire import Passwords, decode, encode


def told(*raw: bytes) -> dict[str, str]:
    return {f"192.0.2.{n}": base64.b64encode(r).decode() for n, r in enumerate(raw)}


def test_a_password_arrives_without_the_line_end_of_its_file() -> None:
    found = decode(encode(told(b"word", b"a 'word' #1\n")))
    assert [secret.reveal() for _, secret in sorted(found.items())] == [b"word", b"a 'word' #1"]
    assert "'word'" not in repr(found)


@pytest.mark.parametrize("raw", [b"", b'a"b', b"a\nb", "wört".encode(), b"x" * 81, b"\n"])
def test_what_cannot_be_a_password_is_left_out(raw: bytes) -> None:
    assert decode(encode(told(raw))) == {}


def test_a_secret_that_is_no_base64_takes_no_other_session_along() -> None:
    answer = {"192.0.2.1": "no base64!", "192.0.2.2": "d29y\nZA==\n"}
    assert {address: secret.reveal() for address, secret in decode(encode(answer)).items()} == {"192.0.2.2": b"word"}


def test_an_answer_that_is_none_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(b"{")


def test_an_answer_shows_no_password() -> None:
    assert repr(Passwords(passwords={"192.0.2.1": "d29yZA=="})) == "Passwords(192.0.2.1)"
