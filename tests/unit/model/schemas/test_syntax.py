"""Scalars."""

from __future__ import annotations

import pytest

from tandem.model.schemas.syntax import SCALARS, label_value, name_of, percent_or_count, qualified

GOOD = [
    ("port", 65535),
    ("port0", 0),
    ("portref", "http"),
    ("portref", 80),
    ("portref0", 0),
    ("portref0", ""),
    ("portref0", "http"),
    ("qty", "128Mi"),
    ("qty", "1.5"),
    ("qty", 2),
    ("dur", "1.5s"),
    ("dur", "1h30m"),
    ("msdur", "1.5s"),
    ("msdur", "1h"),
    ("ms0dur", "0s"),
    ("secdur", "24h"),
    ("gdur", "500ms"),
    ("bytes", "aGk="),
    ("hostname", "*.example.com"),
    ("regex", "^/a.*$"),
    ("regex", r"\pL+"),
    ("intstr", "25%"),
    ("time", "2026-01-31T12:00:00Z"),
    ("label", ""),
    ("float", 1),
    ("ip", "192.0.2.1"),
    ("ip", "2001:db8::1"),
    ("asn", 4_294_967_295),
]
BAD = [
    ("port", 0),
    ("port", True),
    ("port", "80"),
    ("portref", "a-name-that-is-too-long"),
    ("portref", "80"),
    ("portref", 0),
    ("portref0", False),
    ("portref0", 70000),
    ("portref", 70000),
    ("qty", "12 Mi"),
    ("dur", "5"),
    ("msdur", "0s"),
    ("msdur", "-1s"),
    ("msdur", "1.0005s"),
    ("msdur", 5),
    ("secdur", "1500ms"),
    ("gdur", "1.5s"),
    ("bytes", "hé"),
    ("hostname", "a.*.b"),
    ("regex", "("),
    ("regex", "(?=a)b"),
    ("regex", r"(a)\1"),
    ("int", 1.5),
    ("bool", "true"),
    ("str", 1),
    ("str1", ""),
    ("weight", 1_000_001),
    ("time", "yesterday"),
    ("envname", "A=B"),
    ("obj", []),
    ("ip", "192.0.2.300"),
    ("ip", "2001:DB8::1"),
    ("ip", 7),
    ("asn", 0),
]


@pytest.mark.parametrize(("scalar", "value"), GOOD)
def test_good_values_pass(scalar: str, value: object) -> None:
    assert SCALARS[scalar](value) is None


@pytest.mark.parametrize(("scalar", "value"), BAD)
def test_bad_values_are_described(scalar: str, value: object) -> None:
    assert SCALARS[scalar](value)


@pytest.mark.parametrize("key", ["app", "app.kubernetes.io/name", "A_b.c-d"])
def test_qualified_names_pass(key: str) -> None:
    assert qualified(key) is None


@pytest.mark.parametrize("key", ["", "-a", "a/", "/a", "A.com/b", "a/b/c", "x" * 64])
def test_other_keys_do_not(key: str) -> None:
    assert qualified(key)


def test_a_label_value_may_be_empty_but_not_long() -> None:
    assert label_value("") is None
    assert label_value("x" * 64)


def test_a_count_or_percentage() -> None:
    assert [percent_or_count(v) is None for v in (1, "25%", "x", -1)] == [True, True, False, False]


def test_json_types_have_names() -> None:
    values: tuple[object, ...] = (True, 1, "", [], {}, None)
    assert [name_of(v) for v in values] == ["a boolean", "a number", "a string", "a list", "an object", "null"]
