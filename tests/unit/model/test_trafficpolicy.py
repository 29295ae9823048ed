"""What a TrafficPolicy is where it says nothing."""

from __future__ import annotations

from meshworlds import limit_at, trafficpolicy


def test_what_is_asked_for_without_words_has_sound_values() -> None:
    spec = trafficpolicy(
        limit_at("Service", "web"), outlierDetection={}, retryBudget={}, loadBalancer={}, connections={"requests": 1}
    ).spec
    assert spec.outlier_detection is not None
    assert (spec.outlier_detection.consecutive_errors, spec.outlier_detection.maximum_percent) == (5, 50)
    assert spec.retry_budget is not None
    assert (spec.retry_budget.percent, spec.retry_budget.minimum_retries) == (20, 3)
    assert spec.load_balancer is not None
    assert spec.load_balancer.type == "LeastRequest"
    assert spec.connections is not None
    assert spec.connections.connect_timeout == "10s"
    assert spec.circuit_breaker is None
