"""Expressions that stay within the value of one parameter."""

from __future__ import annotations

import pytest

from tandem.translate.mesh.linkerd.queries import within_value


@pytest.mark.parametrize(
    ("pattern", "made"),
    [
        ("v[0-9]+", "v[0-9]+"),
        ("a.*|b", "a[^&;]*|b"),
        (r"^\d{1,3}\.x$", r"\d{1,3}\.x"),
        (r"(?:a|b)[\w.-]?", r"(?:a|b)[\w.-]?"),
        (r"a\$", r"a\$"),
    ],
)
def test_what_is_known_to_stay_is_taken(pattern: str, made: str) -> None:
    assert within_value(pattern) == made


@pytest.mark.parametrize(
    "pattern", ["a&b", "[^x]", "[!-z]", r"\D+", r"\x26", "[[:punct:]]", r"a^b", "(?s)a", r"[\W]", "a;b"]
)
def test_of_others_it_is_not_known(pattern: str) -> None:
    assert within_value(pattern) is None
