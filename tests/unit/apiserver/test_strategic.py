"""Strategic merge patch, with merge keys from the tables."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.apiserver.patch import PatchError
from tandem.apiserver.strategic import strategic_merge

POD: dict[str, Any] = {
    "metadata": {"labels": {"a": "1"}, "finalizers": ["x"]},
    "spec": {
        "containers": [
            {"name": "a", "image": "1", "command": ["x"]},
            {"name": "b", "image": "1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        ],
        "tolerations": [{"key": "k"}],
    },
}


def merged(patch: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy(POD)
    made = strategic_merge(POD, patch, "Pod")
    assert before == POD
    return made


def test_lists_with_a_merge_key_merge_by_it() -> None:
    made = merged({"spec": {"containers": [{"name": "b", "image": "2"}, {"name": "c"}]}})
    assert [(c["name"], c.get("image")) for c in made["spec"]["containers"]] == [("a", "1"), ("b", "2"), ("c", None)]
    assert made["spec"]["containers"][1]["env"] == POD["spec"]["containers"][1]["env"]


def test_lists_without_one_are_replaced() -> None:
    made = merged({"spec": {"tolerations": [], "containers": [{"name": "a", "command": ["y"]}]}})
    assert made["spec"]["tolerations"] == []
    assert made["spec"]["containers"][0]["command"] == ["y"]


def test_an_element_is_deleted_by_its_key() -> None:
    patch = {"spec": {"containers": [{"name": "b", "env": [{"name": "A", "$patch": "delete"}]}]}}
    assert merged(patch)["spec"]["containers"][1]["env"] == [{"name": "B", "value": "2"}]


def test_scalars_of_a_set_are_added_and_deleted() -> None:
    assert merged({"metadata": {"finalizers": ["y", "x"]}})["metadata"]["finalizers"] == ["x", "y"]
    assert merged({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}})["metadata"]["finalizers"] == []


def test_null_removes_a_field_and_a_label() -> None:
    made = merged({"metadata": {"labels": {"a": None, "b": "2"}}, "spec": {"tolerations": None}})
    assert made["metadata"]["labels"] == {"b": "2"}
    assert "tolerations" not in made["spec"]


def test_replace_replaces_an_object_or_a_list() -> None:
    assert merged({"metadata": {"$patch": "replace", "labels": {}}})["metadata"] == {"labels": {}}
    made = merged({"spec": {"containers": [{"name": "z"}, {"$patch": "replace"}]}})
    assert made["spec"]["containers"] == [{"name": "z"}]


def test_an_order_is_kept() -> None:
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}],
            "containers": [{"name": "c"}],
        }
    }
    assert [c["name"] for c in merged(patch)["spec"]["containers"]] == ["c", "b", "a"]


def test_retained_keys_drop_the_others() -> None:
    old = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_merge(old, patch, "Deployment") == {"spec": {"strategy": {"type": "Recreate"}}}


def test_an_element_without_its_key_is_refused() -> None:
    with pytest.raises(PatchError, match="merge key 'name'"):
        merged({"spec": {"containers": [{"image": "x"}]}})


def test_unknown_fields_are_left_for_validation() -> None:
    assert merged({"spec": {"nope": [1]}})["spec"]["nope"] == [1]


@given(st.lists(st.sampled_from("abcd"), unique=True), st.lists(st.sampled_from("abcd"), unique=True))
def test_merging_is_idempotent_and_keeps_every_name(old: list[str], new: list[str]) -> None:
    target = {"spec": {"containers": [{"name": n, "image": "old"} for n in old]}}
    patch = {"spec": {"containers": [{"name": n, "image": "new"} for n in new]}}
    once = strategic_merge(target, patch, "Pod")
    assert strategic_merge(once, patch, "Pod") == once
    images = {c["name"]: c["image"] for c in once["spec"]["containers"]}
    assert images == {**dict.fromkeys(old, "old"), **dict.fromkeys(new, "new")}
