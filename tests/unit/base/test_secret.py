"""Secrets do not show up by accident."""

from __future__ import annotations

import pickle

from tandem.base.secret import Secret


def test_a_secret_is_in_no_text_of_it() -> None:
    secret = Secret(b"hunter2")
    assert all("hunter2" not in text for text in (str(secret), repr(secret), f"{secret}", repr([secret])))


def test_revealing_gives_the_bytes() -> None:
    assert Secret(b"hunter2").reveal() == b"hunter2"


def test_equal_secrets_are_equal_and_survive_copying() -> None:
    assert Secret(b"a") == Secret(b"a") != Secret(b"b")
    assert pickle.loads(pickle.dumps(Secret(b"a"))) == Secret(b"a")  # noqa: S301 - our own bytes
