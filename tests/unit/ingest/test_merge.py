"""apply_patch on objects as users have them."""

from __future__ import annotations

import copy
from typing import Any

from tandem.ingest.defaults import default
from tandem.ingest.fake import merge_patch
from tandem.ingest.merge import LAST_APPLIED, apply_patch, last_applied, with_last_applied


def deployment(**changes: Any) -> dict[str, Any]:
    container = {"name": "app", "image": "host", "command": ["x"], "env": [{"name": "A", "value": "1"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{**container, **changes}]},
            },
        },
    }


def policy(*sources: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": list(sources), "ports": [{"port": 1}]}],
        },
    }


def stored(manifest: dict[str, Any]) -> dict[str, Any]:
    live = default(with_last_applied(manifest))
    live["metadata"] |= {"uid": "u", "resourceVersion": "7", "generation": 1}
    return {**live, "status": {"x": 1}}


def applied(manifest: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = merge_patch(copy.deepcopy(live), apply_patch(manifest, live))
    return result


def app(live: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = live["spec"]["template"]["spec"]["containers"][0]
    return found


def test_a_second_apply_of_a_defaulted_object_changes_nothing() -> None:
    assert apply_patch(deployment(), stored(deployment())) == {}
    assert apply_patch(policy({"podSelector": {}}), stored(policy({"podSelector": {}}))) == {}


def test_a_label_that_left_the_manifest_leaves_the_object() -> None:
    live = stored(deployment())
    live["metadata"]["labels"]["by-others"] = "1"
    bare = deployment()
    del bare["metadata"]["labels"]
    assert applied(bare, live)["metadata"]["labels"] == {"by-others": "1"}


def test_a_variable_that_left_the_manifest_leaves_the_container_and_others_stay() -> None:
    live = stored(deployment())
    app(live)["env"].append({"name": "FOREIGN", "value": "x"})
    result = app(applied(deployment(env=[{"name": "B", "value": "2"}]), live))
    assert result["env"] == [{"name": "B", "value": "2"}, {"name": "FOREIGN", "value": "x"}]


def test_a_field_set_by_others_inside_a_container_stays() -> None:
    live = stored(deployment())
    app(live)["workingDir"] = "/srv"
    result = app(applied(deployment(image="other"), live))
    assert (result["image"], result["workingDir"]) == ("other", "/srv")


def test_a_probe_that_left_the_manifest_goes_with_its_defaults() -> None:
    live = stored(deployment(readinessProbe={"httpGet": {"port": 80}}))
    assert "readinessProbe" not in app(applied(deployment(), live))


def test_the_peers_of_a_policy_are_replaced_as_a_whole() -> None:
    live = stored(policy({"podSelector": {}}))
    live["spec"]["ingress"][0]["from"].append({"ipBlock": {"cidr": "0.0.0.0/0"}})
    result = applied(policy({"podSelector": {}}), live)
    assert result["spec"]["ingress"][0]["from"] == [{"podSelector": {}}]


def test_null_in_a_manifest_is_absent() -> None:
    manifest = deployment()
    manifest["metadata"]["creationTimestamp"] = None
    assert apply_patch(manifest, stored(deployment())) == {}


def test_another_served_version_is_no_change() -> None:
    route: dict[str, Any] = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "VirtualService",
        "metadata": {"name": "v", "namespace": "default"},
        "spec": {"hosts": ["v"], "http": [{"route": [{"destination": {"host": "v"}}]}]},
    }
    assert apply_patch(route, {**stored(route), "apiVersion": "networking.istio.io/v1"}) == {}


def test_an_object_made_by_others_is_adopted() -> None:
    live = stored(deployment())
    del live["metadata"]["annotations"][LAST_APPLIED]
    patch = apply_patch(deployment(), live)
    assert list(patch) == ["metadata"]
    assert last_applied(merge_patch(live, patch)) is not None


def test_an_unreadable_note_counts_as_none() -> None:
    assert last_applied({"metadata": {"annotations": {LAST_APPLIED: "{"}}}) is None
