"""Exceptions in groups, and none."""

from __future__ import annotations

from tandem.base.groups import first_of


def test_the_first_however_deep() -> None:
    one, other = ValueError("one"), KeyboardInterrupt()
    assert first_of(one) is one
    assert first_of(BaseExceptionGroup("", [ExceptionGroup("", [one]), other])) is one
    assert first_of(BaseExceptionGroup("", [other, one])) is other
