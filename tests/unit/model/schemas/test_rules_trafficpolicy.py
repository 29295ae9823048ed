"""What no TrafficPolicy may say, each with its path."""

from __future__ import annotations

from typing import Any

import pytest

from meshworlds import limit_at
from tandem.model.schema import validate

RANDOM: dict[str, Any] = {"loadBalancer": {"type": "Random"}}


def mistakes(**spec: Any) -> list[str]:
    given = {"targetRefs": [limit_at("Service", "web")], **spec}
    raw = {"apiVersion": "tandem.io/v1", "kind": "TrafficPolicy", "metadata": {"name": "a", "namespace": "shop"}}
    return validate({**raw, "spec": given})


def hashed(*parts: dict[str, Any], kind: str = "RingHash", **more: Any) -> dict[str, Any]:
    return {"loadBalancer": {"type": kind, "hashBy": list(parts), **more}}


@pytest.mark.parametrize(
    "spec",
    [
        RANDOM,
        {"loadBalancer": {}},
        {"loadBalancer": {"type": "RoundRobin", "warmUp": {"duration": "10s"}}},
        hashed({"type": "Address"}, {"type": "Cookie", "name": "a", "ttl": "0s", "path": "/"}, tableSize=1024),
        hashed({"type": "Query", "name": "id"}, kind="Maglev", tableSize=65537),
        {"circuitBreaker": {"connections": 0}},
        {"retryBudget": {}},
        {"outlierDetection": {"consecutiveErrors": 0, "consecutiveGatewayErrors": 1}},
        {"connections": {"idleTimeout": "0s"}},
        {"sessionPersistence": {"type": "Header", "header": {"name": "x"}}},
        {"targetRefs": [limit_at("Service", "a"), limit_at("Service", "a", "http")], **RANDOM},
    ],
)
def test_a_sound_one_is_taken(spec: dict[str, Any]) -> None:
    assert mistakes(**spec) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({}, "spec: one of loadBalancer"),
        ({"targetRefs": [], **RANDOM}, "spec.targetRefs: between"),
        ({"targetRefs": [limit_at("Gateway", "a")], **RANDOM}, "spec.targetRefs[0]: gateway.networking.k8s.io/Gateway"),
        ({"targetRefs": [limit_at("Service", "a")] * 2, **RANDOM}, "spec.targetRefs[1]: the same"),
        ({"loadBalancer": {"type": "Ewma"}}, "spec.loadBalancer.type"),
        ({"loadBalancer": {"type": "RingHash"}}, "spec.loadBalancer.hashBy: RingHash"),
        (hashed({"type": "Address"}, kind="Random"), "spec.loadBalancer.hashBy: Random"),
        ({"loadBalancer": {"tableSize": 7}}, "spec.loadBalancer.tableSize: LeastRequest"),
        (hashed({"type": "Address"}, warmUp={"duration": "1s"}), "spec.loadBalancer.warmUp"),
        (hashed({"type": "Address"}, tableSize=0), "spec.loadBalancer.tableSize: 0"),
        (hashed({"type": "Address"}, kind="Maglev", tableSize=65536), "spec.loadBalancer.tableSize: 65536 is no prime"),
        (hashed({"type": "Address", "name": "x"}), "spec.loadBalancer.hashBy[0].name"),
        (hashed({"type": "Header", "name": "a b"}), "spec.loadBalancer.hashBy[0].name"),
        (hashed({"type": "Header", "name": "a", "ttl": "1s"}), "spec.loadBalancer.hashBy[0].ttl"),
        (hashed({"type": "Query"}), "spec.loadBalancer.hashBy[0].name"),
        (hashed({"type": "Cookie", "name": "a", "path": "/"}), "spec.loadBalancer.hashBy[0].path"),
        (hashed({"type": "Cookie", "name": "a", "ttl": "9999h"}), "spec.loadBalancer.hashBy[0].ttl"),
        ({"loadBalancer": {"warmUp": {"duration": "0s"}}}, "spec.loadBalancer.warmUp.duration"),
        ({"loadBalancer": {"warmUp": {"duration": "1s", "minimumPercent": 101}}}, "spec.loadBalancer.warmUp.minimum"),
        ({"loadBalancer": {"warmUp": {"duration": "1s", "aggression": 0}}}, "spec.loadBalancer.warmUp.aggression"),
        ({"circuitBreaker": {}}, "spec.circuitBreaker: one of"),
        ({"circuitBreaker": {"requests": -1}}, "spec.circuitBreaker.requests"),
        ({"retryBudget": {"percent": 120}}, "spec.retryBudget.percent"),
        ({"retryBudget": {"minimumRetries": -1}}, "spec.retryBudget.minimumRetries"),
        ({"outlierDetection": {"consecutiveErrors": -1}}, "spec.outlierDetection.consecutiveErrors"),
        ({"outlierDetection": {"interval": "0s"}}, "spec.outlierDetection.interval"),
        ({"outlierDetection": {"maximumPercent": 101}}, "spec.outlierDetection.maximumPercent"),
        ({"connections": {}}, "spec.connections: one of"),
        ({"connections": {"connectTimeout": "0s"}}, "spec.connections.connectTimeout"),
        ({"connections": {"idleTimeout": "25h"}}, "spec.connections.idleTimeout"),
        ({"connections": {"streams": -1}}, "spec.connections.streams"),
        ({"retries": 3, **RANDOM}, "spec.retries: unknown"),
    ],
)
def test_what_has_no_meaning_is_refused_with_its_path(spec: dict[str, Any], path: str) -> None:
    (found,) = mistakes(**spec)
    assert found.startswith(path)
