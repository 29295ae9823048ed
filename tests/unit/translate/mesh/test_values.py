"""Durations, regular expressions and header names."""

from __future__ import annotations

import pytest

from tandem.translate.mesh.values import (
    command_mistake,
    header_mistake,
    literal,
    milliseconds,
    plain,
    regex_mistake,
)


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


@pytest.mark.parametrize("pattern", ["(?=x)", "(?!x)", "(?<=x)", r"(a)\1", "(", "[", r"a\Z", "a++", "(?#x)"])
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


@pytest.mark.parametrize("value", ["", "a b", "100%%", "%PROTOCOL%", "%REQ(x-a)%-%REQ(:path?x-b):9%", "%%%RESP(x)%"])
def test_values_that_the_proxy_makes(value: str) -> None:
    assert command_mistake(value) == ""


@pytest.mark.parametrize("value", ["50%", "%NO_SUCH%", "%REQ%", "%REQ()%", "%PROTOCOL(x)%", "%ENVIRONMENT(HOME)%"])
def test_values_that_it_would_refuse_or_should_not_tell(value: str) -> None:
    assert command_mistake(value) != ""


def test_a_text_is_written_without_commands_and_read_again() -> None:
    assert plain(literal("50% of %REQ(a)%")) == "50% of %REQ(a)%"
    assert plain("%REQ(a)%") is None
