"""Whatever stands in a manifest is refused by its path, or read: one value of an object is put in place of another."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import yaml
from hypothesis import given, settings

from tandem.model.parse import parse
from tandem.model.schema import validate

ROOT = Path(__file__).parents[2]
VALUES: tuple[Any, ...] = (
    *(None, 0, -1, 1.5, "", "x", True, [], {}, [None], ["x"], [{}]),
    *({"a": None}, {"x": "y"}, {"x": {"y": 1}}),
)
Spot = tuple[str | int, ...]


@cache
def manifests() -> tuple[dict[str, Any], ...]:
    """Every object of the examples and of the golden cases."""
    files = sorted((*ROOT.glob("examples/**/*.yaml"), *ROOT.glob("tests/golden/*/*/in.yaml")))
    found = (raw for file in files for raw in yaml.safe_load_all(file.read_text()))
    return tuple(raw for raw in found if isinstance(raw, dict) and raw.get("kind"))


def spots(value: object, at: Spot = ()) -> Iterator[Spot]:
    """Where a value stands in another."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*at, key)
        yield from spots(part, (*at, key))


def put(raw: dict[str, Any], at: Spot, value: object) -> dict[str, Any]:
    made: Any = copy.deepcopy(raw)
    place = made
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = value
    return made  # type: ignore[no-any-return]


@settings(max_examples=1500)
@given(st.data())
def test_what_is_not_refused_can_be_read(data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from(manifests()))
    at = data.draw(st.sampled_from([s for s in spots(raw) if s[0] not in {"apiVersion", "kind"}]))
    changed = put(raw, at, data.draw(st.sampled_from(VALUES)))
    before = copy.deepcopy(changed)
    wrongs = validate(changed)
    assert changed == before
    assert all(": " in wrong for wrong in wrongs)
    if not wrongs:
        parse(changed)
