"""What is refused of ServiceProfiles."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate

Raw = dict[str, Any]
ROUTE = {"name": "r", "condition": {"method": "GET"}}


def wrong(spec: Raw, version: str = "v1alpha2") -> list[str]:
    meta = {"name": "web.shop.svc.cluster.local"}
    return validate({"apiVersion": f"linkerd.io/{version}", "kind": "ServiceProfile", "metadata": meta, "spec": spec})


def test_a_whole_profile_passes_in_both_versions() -> None:
    condition = {"any": [{"all": [{"pathRegex": "/a"}, {"not": {"method": "PUT"}}]}]}
    classes = [{"condition": {"not": {"status": {"min": 500}}}, "isFailure": False}]
    spec = {
        "routes": [
            {"name": "a", "condition": condition, "responseClasses": classes, "isRetryable": True, "timeout": "5s"}
        ],
        "retryBudget": {"retryRatio": 0.2, "minRetriesPerSecond": 10, "ttl": "10s"},
        "dstOverrides": [{"authority": "a.shop.svc.cluster.local:80", "weight": w} for w in ("500m", 2)],
        "opaquePorts": ["3306"],
    }
    assert [wrong(spec), wrong(spec, "v1alpha1")] == [[], []]


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({"routes": [ROUTE, ROUTE]}, "spec.routes[1].name: 'r' occurs twice"),
        ({"routes": [{"name": "r", "condition": {}}]}, "spec.routes[0].condition: Required value: pathRegex, method"),
        (
            {"routes": [{"name": "r", "condition": {"all": [{"path": "/"}]}}]},
            "spec.routes[0].condition.all[0].path: unknown field",
        ),
        (
            {"routes": [ROUTE | {"responseClasses": [{"condition": {"status": {"min": 600}}}]}]},
            "spec.routes[0].responseClasses[0].condition.status.min: Invalid value: 600",
        ),
        (
            {"routes": [ROUTE | {"responseClasses": [{"condition": {"status": {"min": 500, "max": 400}}}]}]},
            "spec.routes[0].responseClasses[0].condition.status.max: Invalid value: 400: must not be less",
        ),
        ({"routes": [ROUTE | {"timeout": "soon"}]}, "spec.routes[0].timeout: 'soon'"),
        (
            {"retryBudget": {"retryRatio": 2.0, "minRetriesPerSecond": 1, "ttl": "1s"}},
            "spec.retryBudget.retryRatio: Invalid value: 2.0: must be between 0 and 1",
        ),
        ({"dstOverrides": [{"authority": "a", "weight": "much"}]}, "spec.dstOverrides[0].weight: 'much' is not"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(spec: Raw, line: str) -> None:
    assert wrong(spec)[0].startswith(line), wrong(spec)
