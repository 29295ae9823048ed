"""Which patterns RE2 takes. Envoy is asked for the same in tests/contract/test_re2.py."""

from __future__ import annotations

import pytest

from tandem.base.re2 import re2_fault

TAKEN = (
    "",
    ".*",
    "^/v[12]/.*$",
    "(?i)abc",
    "(?i-s:a)|(?:b)(?P<n>c)(?<m>d)",
    r"\d\D\s\S\w\W\b\B\A\z\C\_\.\-",
    r"\x41\x{00FF}\101\12\0\n",
    r"\pL\p{Greek}\P{^Lu}[\pL\d]",
    r"\Qa(b\E+",
    "a{,3}{x}{",
    "a{1000}",
    "(a{30}){30}",
    "a*?b+?c??d{2,}?",
    "[]a][^]a][a-z-9][[:alpha:][:^digit:]]",
    r"[a:-][\d-z][\pL-a]",
    "x(?i)?",
    "a]}",
    "é+",
)
REFUSED = (
    "(a{100}){100}",
    "a{1001}",
    "a{2,1}",
    "a**",
    "a++",
    "a{2}{2}",
    "*a",
    "(|+)",
    "(?#x)a",
    "(?=a)",
    "(?>a)",
    "(?u)a",
    "(a)?(?(1)b)",
    "(?P=n)",
    r"(a)\1",
    r"a\Z",
    r"\u0041",
    r"\x{1F600}",
    r"\777",
    r"[\b]",
    r"\é",
    "a\\",
    "[z-a]",
    r"[a-\d]",
    "[[:name:]]",
    "[a",
    "(a",
    "a)",
)


@pytest.mark.parametrize("pattern", TAKEN)
def test_what_is_taken(pattern: str) -> None:
    assert re2_fault(pattern) == ""


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_is_refused_is_told(pattern: str) -> None:
    assert re2_fault(pattern)


def test_the_words_name_the_part() -> None:
    assert re2_fault("x(?#y)") == "(?#y is not known"
    assert re2_fault("a++") == "a repetition is repeated by +"
    assert re2_fault("(x{50}){50}") == "repetitions inside each other are more than 1000"
