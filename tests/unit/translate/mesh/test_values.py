"""Durations, regular expressions and header names."""

from __future__ import annotations

import pytest

from tandem.translate.mesh.values import header_mistake, milliseconds, regex_mistake


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("0", 0),
        ("0s", 0),
        ("500ms", 500),
        ("1.5s", 1500),
        ("1m30s", 90_000),
        ("1h", 3_600_000),
        ("1us", 1),
        ("10", None),
        ("5 s", None),
        ("-1s", None),
        ("soon", None),
    ],
)
def test_durations(text: str, expected: int | None) -> None:
    assert milliseconds(text) == expected


@pytest.mark.parametrize("pattern", ["(?=x)", "(?!x)", "(?<=x)", r"(a)\1", "(", "["])
def test_patterns_that_envoy_refuses(pattern: str) -> None:
    assert repr(pattern) in regex_mistake(pattern)


@pytest.mark.parametrize("pattern", ["", ".*", "^/v[12]/.*$", "(?i)abc", "(?:a|b)"])
def test_patterns_that_envoy_takes(pattern: str) -> None:
    assert regex_mistake(pattern) == ""


@pytest.mark.parametrize("name", ["host", "Host", ":path", "x y", ""])
def test_headers_that_cannot_be_changed(name: str) -> None:
    assert header_mistake(name)


def test_ordinary_headers_can_be_changed() -> None:
    assert header_mistake("X-Request-Id") == ""
