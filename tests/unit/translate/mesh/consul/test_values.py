"""Durations and header changes of Consul's objects."""

from __future__ import annotations

import pytest

from tandem.ir.mesh import HeaderEdit
from tandem.model.consulroutes import HeaderModifiers
from tandem.translate.mesh.consul.values import edit_of, merged, time_of

Told = list[tuple[str, str]]


@pytest.mark.parametrize(
    ("text", "expected"), [("", None), ("0s", None), ("1.5s", 1500), ("+1m", 60_000), ("-1s", 0), ("-5ms", 0)]
)
def test_less_than_nothing_has_no_end(text: str, expected: int | None) -> None:
    assert time_of(text, "at", lambda *_: None) == expected


def test_what_is_no_duration_is_told() -> None:
    told: Told = []
    assert time_of("soon", "spec.x", lambda path, code, _: told.append((path, code))) is None
    assert told == [("spec.x", "InvalidValue")]


def test_headers_that_cannot_be_changed_are_told() -> None:
    told: Told = []
    asked = HeaderModifiers(set={"X-A": "1", "Host": "b"}, add={"B": "2%"}, remove=("C", ":path"))
    found = edit_of(asked, "at", lambda path, code, _: told.append((path, code)))
    assert ("x-a", "1") in found.set
    assert (found.add, "c" in found.remove) == ((("b", "2%%"),), True)
    assert told == [("at.set[Host]", "UnsupportedValue"), ("at.remove[:path]", "UnsupportedValue")]


def test_of_two_splitters_the_inner_one_has_the_last_word() -> None:
    outer = HeaderEdit(set=(("a", "1"), ("b", "1")), remove=("x",))
    inner = HeaderEdit(set=(("b", "2"),), add=(("c", "3"),), remove=("y",))
    assert merged(outer, inner) == HeaderEdit(set=(("a", "1"), ("b", "2")), add=(("c", "3"),), remove=("x", "y"))
