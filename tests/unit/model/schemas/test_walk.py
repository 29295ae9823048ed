"""Values against tables."""

from __future__ import annotations

import pytest

from tandem.model.schemas.walk import unknown_fields, walk


def test_wrong_types_name_both_types() -> None:
    assert list(walk({"containers": {}}, "PodSpec", "spec")) == ["spec.containers: must be a list, not an object"]
    assert list(walk([], "PodSpec", "spec")) == ["spec: must be an object, not a list"]
    assert "s.nodeSelector: must be an object, not a list" in walk({"nodeSelector": []}, "PodSpec", "s")


def test_null_is_absent() -> None:
    assert list(walk({"name": "c", "ports": None, "image": None}, "Container", "c")) == []
    assert list(walk({"name": None}, "Container", "c")) == ["c.name: Required value"]


def test_an_enum_lists_its_choices() -> None:
    assert list(walk({"containerPort": 1, "protocol": "tcp"}, "ContainerPort", "p")) == [
        'p.protocol: Unsupported value: "tcp": supported values: "TCP", "UDP", "SCTP"'
    ]
    assert list(walk({"statusCode": 300}, "GwRedirect", "r")) == [
        'r.statusCode: Unsupported value: 300: supported values: "301", "302", "303", "307", "308"'
    ]


@pytest.mark.parametrize(
    ("table", "field", "name"),
    [
        ("TpBalancer", "type", "PeakEWMA"),
        ("DrLoadBalancer", "simple", "PEAK_EWMA"),
        ("CvBalancer", "policy", "peak-ewma"),
    ],
)
def test_a_balancer_that_envoy_does_not_have_is_refused_for_that(table: str, field: str, name: str) -> None:
    (wrong,) = walk({field: name}, table, "b")
    assert wrong.startswith(f'b.{field}: Unsupported value: "{name}": supported values: ')
    assert wrong.endswith("(this build of Envoy has no peak-EWMA; the least requests come nearest to it)")


def test_map_values_are_walked() -> None:
    wrong = {"headers": {"x": {"exakt": "a"}}}
    assert list(walk(wrong, "VsHttpMatch", "m")) == ['m.headers[x].exakt: unknown field (did you mean "exact"?)']


def test_rules_do_not_judge_what_has_the_wrong_form() -> None:
    lines = list(walk({"port": True, "endPort": 1}, "NetworkPolicyPort", "p"))
    assert [line.partition(": ")[0] for line in lines] == ["p.port"]


def test_a_boolean_label_must_be_quoted() -> None:
    assert list(walk({"labels": {"on": True}}, "ObjectMeta", "m")) == [
        "m.labels[on]: must be a string, not a boolean (quote it)"
    ]


def test_labels_of_a_selector_are_put_where_they_belong() -> None:
    wrong = {"podSelector": {"app": "web", "matchLabel": {}}}
    assert list(walk(wrong, "NetworkPolicySpec", "spec")) == [
        "spec.podSelector.app: unknown field (labels stand under matchLabels)",
        'spec.podSelector.matchLabel: unknown field (did you mean "matchLabels"?)',
    ]


def test_an_unknown_field_inside_does_not_hide_other_mistakes() -> None:
    twice = {"containers": [{"name": "a", "comand": []}, {"name": "a"}]}
    assert [line.partition(": ")[0] for line in walk(twice, "PodSpec", "s")] == [
        "s.containers[0].comand",
        "s.containers[1].name",
    ]


def test_unknown_fields_are_those_that_walk_finds() -> None:
    rule = {"from": [{"podSelector": {"matchLabels": {"a": 7}, "x": 1}}, {"y": 1}, 7], "ports": "all", "z": {}}
    spec = {"ingress": [rule], "podSelector": None, "w": None}
    found = list(unknown_fields(spec, "NetworkPolicySpec", "spec"))
    assert found == [line for line in walk(spec, "NetworkPolicySpec", "spec") if "unknown field" in line]
    assert [line.partition(": ")[0] for line in found] == [
        "spec.ingress[0].from[0].podSelector.x",
        "spec.ingress[0].from[1].y",
        "spec.ingress[0].z",
        "spec.w",
    ]
    assert list(unknown_fields([], "NetworkPolicySpec", "spec")) == []


WHOLE = {"route": [{"destination": {"host": "a"}}]}


def test_rules_see_of_what_is_inside_only_what_is_known_and_there() -> None:
    for part in ({"headers": {"x": "y"}}, {"fault": {"x": "y"}}, {"fault": {"delay": {"percentage": {"value": None}}}}):
        assert all(line.startswith("h.") for line in walk({**WHOLE, **part}, "VsHttp", "h"))
    body = {"directResponse": {"status": 200, "body": {"a": None}}}
    assert list(walk(body, "VsHttp", "h")) == ["h.directResponse.body.a: unknown field"]
