"""Properties of `apply`'s three-way merge over arbitrary JSON objects."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tandem.ingest.fake import merge_patch
from tandem.ingest.merge import LAST_APPLIED, apply_patch, diff, last_applied, three_way, with_last_applied

NAMES = st.sampled_from(["a", "b", "c", "d"])
SCALARS = st.one_of(st.integers(0, 3), st.booleans(), st.sampled_from(["x", "y"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)
TEXTS = st.dictionaries(NAMES, st.sampled_from(["1", "2", "3"]), max_size=4)


def merged(last: Any, wanted: Any, live: Any) -> Any:
    return three_way(last, wanted, live, defaulted=wanted, keyed=True)


def contains(whole: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(k in whole and contains(whole[k], v) for k, v in part.items())
    return bool(whole == part) and type(whole) is type(part)


def manifest(data: dict[str, str], labels: dict[str, str]) -> dict[str, Any]:
    meta = {"name": "m", "namespace": "default", "labels": labels, "annotations": {}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


@given(OBJECTS, OBJECTS)
def test_a_diff_applied_is_the_target(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert merge_patch(copy.deepcopy(old), diff(old, new)) == new


@given(OBJECTS)
def test_equal_objects_have_no_diff(value: dict[str, Any]) -> None:
    assert diff(value, copy.deepcopy(value)) == {}


@given(OBJECTS, OBJECTS, OBJECTS)
def test_what_the_manifest_says_is_there_afterwards(last: Any, wanted: Any, live: Any) -> None:
    assert contains(merged(last, wanted, live), wanted)


@given(OBJECTS, OBJECTS, OBJECTS)
def test_what_only_the_last_manifest_said_is_gone(last: Any, wanted: Any, live: Any) -> None:
    assert not (set(last) - set(wanted)) & set(merged(last, wanted, live))


@given(OBJECTS, OBJECTS, OBJECTS)
def test_what_others_wrote_stays(last: Any, wanted: Any, live: Any) -> None:
    result = merged(last, wanted, live)
    for name in set(live) - set(last) - set(wanted):
        assert result[name] == live[name]


@given(OBJECTS, OBJECTS, OBJECTS)
def test_merging_again_changes_nothing(last: Any, wanted: Any, live: Any) -> None:
    once = merged(last, wanted, live)
    assert merged(wanted, wanted, once) == once


@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
def test_any_two_applies_end_at_the_second_manifest(
    first: dict[str, str], second: dict[str, str], l1: dict[str, str], l2: dict[str, str], foreign: dict[str, str]
) -> None:
    live = with_last_applied(manifest(first, l1))
    live["metadata"]["labels"] = {**{f"other-{k}": v for k, v in foreign.items()}, **live["metadata"]["labels"]}
    wanted = manifest(second, l2)
    live = merge_patch(live, apply_patch(wanted, copy.deepcopy(live)))
    assert live.get("data", {}) == second
    assert live["metadata"]["labels"] == {**{f"other-{k}": v for k, v in foreign.items()}, **l2}
    assert LAST_APPLIED in live["metadata"]["annotations"]
    assert last_applied(live) == wanted
    assert apply_patch(wanted, live) == {}
