"""Validation of XBackendTrafficPolicy, with the path of what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate

RAW = {
    "apiVersion": "gateway.networking.x-k8s.io/v1alpha1",
    "kind": "XBackendTrafficPolicy",
    "metadata": {"name": "x", "namespace": "default"},
}
TARGETS = [{"group": "", "kind": "Service", "name": "web"}]


def told(**spec: Any) -> list[str]:
    return validate({**RAW, "spec": {"targetRefs": TARGETS, **spec}})


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"retryConstraint": {}},
        {"retryConstraint": {"budget": {"percent": 0, "interval": "1h"}, "minRetryRate": {"count": 1000000}}},
        {"sessionPersistence": {"type": "Header", "header": {"name": "x-cart"}}},
        {"targetRefs": [{"group": "multicluster.x-k8s.io", "kind": "ServiceImport", "name": "web"}]},
    ],
)
def test_what_is_right_is_taken(spec: dict[str, Any]) -> None:
    assert told(**spec) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"targetRefs": []}, "spec.targetRefs"),
        ({"targetRefs": TARGETS * 2}, "spec.targetRefs[1]"),
        ({"targetRefs": [{"kind": "Service", "name": "web"}]}, "spec.targetRefs[0].group"),
        ({"targetRefs": [{**TARGETS[0], "sectionName": "http"}]}, "spec.targetRefs[0].sectionName"),
        ({"retryConstraint": {"budget": {"percent": 101}}}, "spec.retryConstraint.budget.percent"),
        ({"retryConstraint": {"budget": {"interval": "500ms"}}}, "spec.retryConstraint.budget.interval"),
        ({"retryConstraint": {"minRetryRate": {"count": 0}}}, "spec.retryConstraint.minRetryRate.count"),
        ({"retryConstraint": {"minRetryRate": {"interval": "0s"}}}, "spec.retryConstraint.minRetryRate.interval"),
        ({"retryConstraint": {"minRetryRate": {"interval": "2h"}}}, "spec.retryConstraint.minRetryRate.interval"),
        ({"retryBudget": {}}, "spec.retryBudget"),
    ],
)
def test_what_is_wrong_is_told_with_its_path(spec: dict[str, Any], path: str) -> None:
    (line,) = told(**spec)
    assert line.partition(": ")[0] == path
