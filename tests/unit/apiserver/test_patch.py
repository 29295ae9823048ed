"""Merge patch (with its RFC's examples) and JSON patch."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.apiserver.patch import PatchError, json_patch, merge_patch

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
JSON: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


def _without_null(value: Any) -> Any:
    return {k: _without_null(v) for k, v in value.items() if v is not None} if isinstance(value, dict) else value


def difference(old: Any, new: Any) -> Any:
    """A merge patch that makes `old` into `new` (which holds no null in its objects)."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    patch: dict[str, Any] = {k: None for k in old if k not in new}
    patch.update({k: difference(old.get(k), v) for k, v in new.items() if k not in old or old[k] != v})
    return patch


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_as_in_rfc_7386(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result


@given(JSON, JSON)
def test_a_merge_patch_applied_twice_is_applied_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(JSON, JSON)
def test_a_merge_patch_changes_nothing_in_place(target: Any, patch: Any) -> None:
    before = copy.deepcopy((target, patch))
    merge_patch(target, patch)
    assert (target, patch) == before


@given(JSON, JSON)
def test_a_difference_applied_gives_the_new_value(old: Any, new: Any) -> None:
    wanted = _without_null(new)
    assert merge_patch(_without_null(old), difference(_without_null(old), wanted)) == wanted


def test_json_patch_operations() -> None:
    target = {"a": {"b": [1, 2]}, "c/d": 1}
    operations = [
        {"op": "test", "path": "/c~1d", "value": 1},
        {"op": "add", "path": "/a/b/1", "value": 9},
        {"op": "add", "path": "/a/b/-", "value": 3},
        {"op": "replace", "path": "/c~1d", "value": 5},
        {"op": "copy", "from": "/a/b", "path": "/e"},
        {"op": "move", "from": "/e/0", "path": "/f"},
        {"op": "remove", "path": "/a/b/0"},
    ]
    assert json_patch(target, operations) == {"a": {"b": [9, 2, 3]}, "c/d": 5, "e": [9, 2, 3], "f": 1}
    assert target == {"a": {"b": [1, 2]}, "c/d": 1}


def test_a_json_patch_without_a_value_means_null() -> None:
    assert json_patch({"labels": {}}, [{"op": "add", "path": "/labels/isolated"}]) == {"labels": {"isolated": None}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/x/y", "value": 1},
        {"op": "move", "path": "/x"},
        {"op": "remove", "path": "/x"},
        {"op": "replace", "path": "/x", "value": 1},
        {"op": "test", "path": "/a", "value": 2},
        {"op": "add", "path": "/l/7", "value": 1},
        {"op": "add", "path": "l", "value": 1},
        {"op": "jump", "path": "/a"},
        {"path": 1},
    ],
)
def test_a_json_patch_that_cannot_be_applied_is_refused(operation: dict[str, Any]) -> None:
    with pytest.raises(PatchError, match=r"\[0\]"):
        json_patch({"a": 1, "l": []}, [operation])


def test_replacing_a_list_element_keeps_its_place() -> None:
    assert json_patch([1, 2, 3], [{"op": "replace", "path": "/1", "value": 9}]) == [1, 9, 3]
