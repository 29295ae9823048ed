"""What no Canary may say, each with its path."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate


def mistakes(**spec: Any) -> list[str]:
    given = {
        "service": "web",
        "stable": {"service": "web-v1"},
        "canary": {"service": "web-v2"},
        "steps": [{"weight": 20}, {"weight": 20, "manual": True}, {"weight": 60, "pause": "1m"}],
        **spec,
    }
    raw = {"apiVersion": "tandem.io/v1", "kind": "Canary", "metadata": {"name": "web", "namespace": "shop"}}
    return validate({**raw, "spec": {k: v for k, v in given.items() if v is not None}})


HEADER = {"headers": [{"name": "x-group", "value": "beta"}]}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"match": [HEADER], "steps": [{"weight": 100}]},
        {"stable": {"subset": "v1"}, "canary": {"subset": "v2"}},
        {"stable": {"service": "web"}, "canary": {"service": "web-v2"}},
        {"analysis": {"latency": {"max": "500ms"}, "successRate": {}}},
        {"match": [{"cookies": [{"name": "group", "type": "Present"}]}]},
    ],
)
def test_a_sound_one_is_taken(spec: dict[str, Any]) -> None:
    assert mistakes(**spec) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"stable": None}, "spec.stable"),
        ({"stable": {}}, "spec.stable: a service or a subset"),
        ({"canary": {"service": "web-v1"}}, "spec.canary: is the same"),
        ({"canary": {"service": "web"}}, "spec.canary.service"),
        ({"canary": {"service": "web-v2", "subset": "v2"}}, "spec.canary.subset"),
        ({"steps": []}, "spec.steps"),
        ({"steps": [{"weight": 1}] * 51}, "spec.steps"),
        ({"steps": [{"weight": 100}]}, "spec.steps[0].weight"),
        ({"steps": [{"weight": 0}]}, "spec.steps[0].weight"),
        ({"steps": [{"weight": 50}, {"weight": 20}]}, "spec.steps[1].weight"),
        ({"steps": [{"weight": 50, "pause": "soon"}]}, "spec.steps[0].pause"),
        ({"analysis": {"minRequests": 0}}, "spec.analysis.minRequests"),
        ({"analysis": {"failures": -1}}, "spec.analysis.failures"),
        ({"analysis": {"interval": "100ms"}}, "spec.analysis.interval"),
        ({"analysis": {"successRate": {}}}, "spec.analysis: neither"),
        ({"analysis": {"successRate": {"min": 101}}}, "spec.analysis.successRate.min"),
        ({"analysis": {"latency": {}}}, "spec.analysis.latency: max or"),
        ({"analysis": {"latency": {"max": "1s", "quantile": 99}}}, "spec.analysis.latency.quantile"),
        ({"analysis": {"latency": {"maxIncrease": -1}}}, "spec.analysis.latency.maxIncrease"),
        ({"match": [{}]}, "spec.match[0]"),
        ({"match": [{"headers": [{"name": "x"}]}]}, "spec.match[0].headers[0].value"),
        ({"match": [{"headers": [{"name": "x", "type": "Present", "value": "y"}]}]}, "spec.match[0].headers[0].value"),
        (
            {"match": [{"cookies": [{"name": "x", "type": "RegularExpression", "value": "y"}]}]},
            "spec.match[0].cookies[0].type",
        ),
        ({"progressDeadline": "0s"}, "spec.progressDeadline"),
        ({"treshold": 5}, "spec.treshold: unknown field"),
    ],
)
def test_what_it_may_not_say_is_refused_with_its_path(spec: dict[str, Any], path: str) -> None:
    (found,) = mistakes(**spec)
    assert found.startswith(path), found
