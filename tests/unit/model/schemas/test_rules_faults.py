"""What no FaultInjection may say, each with its path."""

from __future__ import annotations

from typing import Any

import pytest

from meshworlds import limit_at
from tandem.model.schema import validate

ABORT: dict[str, Any] = {"abort": {"httpStatus": 503}}


def mistakes(**spec: Any) -> list[str]:
    given = {"targetRefs": [limit_at("HTTPRoute", "hr")], **spec}
    raw = {"apiVersion": "tandem.io/v1", "kind": "FaultInjection", "metadata": {"name": "a", "namespace": "shop"}}
    return validate({**raw, "spec": given})


@pytest.mark.parametrize(
    "spec",
    [
        ABORT,
        {"delay": {"duration": "1m30s", "percent": 0.5}},
        {"delay": {"duration": "5ms"}, "abort": {"grpcStatus": "UNAVAILABLE", "percent": 10}},
        {"targetRefs": [limit_at("GRPCRoute", "a", "rule"), limit_at("HTTPRoute", "a")], **ABORT},
    ],
)
def test_a_sound_one_is_taken(spec: dict[str, Any]) -> None:
    assert mistakes(**spec) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({}, "spec: delay or abort"),
        ({"targetRefs": [], **ABORT}, "spec.targetRefs: between"),
        ({"targetRefs": [limit_at("HTTPRoute", "a")] * 2, **ABORT}, "spec.targetRefs[1]: the same"),
        ({"targetRefs": [limit_at("Service", "a")], **ABORT}, "spec.targetRefs[0]: /Service"),
        ({"targetRefs": [limit_at("Gateway", "a")], **ABORT}, "spec.targetRefs[0]: gateway.networking.k8s.io/Gateway"),
        ({"delay": {}}, "spec.delay.duration"),
        ({"delay": {"duration": "0s"}}, "spec.delay.duration"),
        ({"delay": {"duration": "2h"}}, "spec.delay.duration"),
        ({"delay": {"duration": "1s", "percent": 101}}, "spec.delay.percent"),
        ({"delay": {"duration": "1s", "fixed": True}}, "spec.delay.fixed: unknown"),
        ({"abort": {}}, "spec.abort: one of"),
        ({"abort": {"httpStatus": 500, "grpcStatus": "INTERNAL"}}, "spec.abort: one of"),
        ({"abort": {"httpStatus": 99}}, "spec.abort.httpStatus"),
        ({"abort": {"grpcStatus": "SAD"}}, "spec.abort.grpcStatus"),
        ({"abort": {"httpStatus": 500, "percent": -1}}, "spec.abort.percent"),
    ],
)
def test_a_mistake_has_its_path(spec: dict[str, Any], path: str) -> None:
    (found,) = mistakes(**spec)
    assert found.startswith(path)
