"""Raw objects become values, or say where they are wrong."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tandem.model import core
from tandem.model.kinds import KINDS
from tandem.model.parse import ParseError, null_texts, parse, without_null


def pod(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [], **spec}}


def test_the_kind_decides_about_the_type() -> None:
    assert isinstance(parse(pod()), core.Pod)


@pytest.mark.parametrize("kind", [k.kind for k in KINDS])
def test_every_kind_parses_from_its_name_alone(kind: str) -> None:
    """Where fields are needed, schema validation says so before."""
    assert parse({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}}).kind == kind


def test_null_is_absent() -> None:
    found = cast("core.Pod", parse(pod(nodeName=None, containers=[{"name": "c", "args": None}])))
    assert found.spec.node_name == ""
    assert found.spec.containers[0].args == ()


def test_a_label_that_is_null_is_the_empty_string_so_that_no_selector_gets_wider() -> None:
    made = pod(nodeSelector={"disk": None}) | {"metadata": {"name": "p", "labels": {"app": None}}}
    found = cast("core.Pod", parse(made))
    assert found.metadata.labels == {"app": ""}
    assert found.spec.node_selector == {"disk": ""}
    asked = {"matchLabels": {"role": None}, "matchExpressions": None}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "n"}}
    spec = {"podSelector": {}, "ingress": [{"from": [{"podSelector": asked}]}]}
    assert without_null({**policy, "spec": spec})["spec"]["ingress"] == [
        {"from": [{"podSelector": {"matchLabels": {"role": ""}}}]}
    ]


def test_a_selector_that_is_an_object_loses_its_nulls() -> None:
    raw = {"apiVersion": "apps/v1", "spec": {"selector": {"matchLabels": None, "matchExpressions": []}}}
    assert without_null(raw)["spec"] == {"selector": {"matchExpressions": []}}


def test_a_null_label_of_a_custom_resource_stays_and_is_named_with_its_path() -> None:
    raw = {
        "apiVersion": "policy.networking.k8s.io/v1beta1",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "c"},
        "spec": {"subject": {"namespaces": {"matchLabels": {"team": None}}}, "tier": None},
    }
    assert without_null(raw)["spec"] == {"subject": {"namespaces": {"matchLabels": {"team": None}}}}
    assert list(null_texts(raw)) == ["spec.subject.namespaces.matchLabels[team]"]
    with pytest.raises(ParseError, match="matchLabels"):
        parse(raw)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (pod(containers=[{"name": "c", "ports": [{"containerPort": "http"}]}]), r"^spec\.containers\[0\]\.ports\[0\]"),
        (pod(hostNetwork="yes"), r"^spec\.hostNetwork: Expected `bool`, got `str`$"),
        ({"kind": "Pod", "metadata": {"name": "p"}}, "^Pod: .*apiVersion"),
        ({"kind": "Banana"}, "^kind: unknown kind 'Banana'$"),
        ({}, "^kind: unknown kind None$"),
    ],
)
def test_a_mistake_is_named_by_its_field_path(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ParseError, match=message):
        parse(raw)


def test_the_input_stays_as_it_is() -> None:
    raw = pod(nodeName=None)
    parse(raw)
    assert raw == pod(nodeName=None)
