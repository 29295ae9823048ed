"""Changes that are refused."""

from __future__ import annotations

from typing import Any

from tandem.apiserver.immutable import differences, forbidden_changes


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "c", "image": "a", "command": ["x"]}], **spec}}


def test_a_pod_may_change_its_image_and_be_bound_once() -> None:
    other = {"spec": {"containers": [{"name": "c", "image": "b", "command": ["x"]}], "nodeName": "n"}}
    assert forbidden_changes("Pod", pod(), other) == []
    assert forbidden_changes("Pod", pod(nodeName="n"), pod(nodeName="m"))[0].startswith("spec.nodeName: ")


def test_a_pod_may_change_nothing_else() -> None:
    other = {"spec": {"containers": [{"name": "c", "image": "a", "command": ["y"]}]}}
    assert forbidden_changes("Pod", pod(), other) == [
        "spec.containers[0].command[0]: may not be changed after creation"
    ]


def test_a_deployments_selector_is_fixed() -> None:
    old, new = {"spec": {"selector": {"a": 1}}}, {"spec": {"selector": {"a": 2}}}
    assert forbidden_changes("Deployment", old, new) == ["spec.selector: may not be changed after creation"]


def test_immutable_secrets_keep_their_data() -> None:
    old = {"type": "Opaque", "immutable": True, "data": {"a": "b"}}
    assert forbidden_changes("Secret", old, {**old, "data": {}}) == ["data: the object is immutable"]
    assert forbidden_changes("Secret", {"type": "a"}, {"type": "b"})[0].startswith("type: ")


def test_a_nodes_range_is_set_once() -> None:
    assert forbidden_changes("Node", {}, {"spec": {"podCIDR": "10.0.0.0/24"}}) == []
    assert forbidden_changes("Node", {"spec": {"podCIDR": "a"}}, {"spec": {"podCIDR": "b"}})


def test_a_slice_keeps_its_family_and_other_kinds_are_free() -> None:
    assert forbidden_changes("EndpointSlice", {"addressType": "IPv4"}, {"addressType": "IPv6"})
    assert forbidden_changes("VirtualService", {"spec": 1}, {"spec": 2}) == []


def test_differences_are_as_deep_as_the_forms_agree() -> None:
    assert list(differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}], "c": 1}, "s")) == ["s.a[1].b", "s.c"]
    assert list(differences({"a": [1]}, {"a": []}, "s")) == ["s.a"]
