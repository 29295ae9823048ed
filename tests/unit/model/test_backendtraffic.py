"""What an XBackendTrafficPolicy is where it says nothing."""

from __future__ import annotations

from meshworlds import backendtraffic


def test_a_constraint_without_words_is_a_fifth_within_ten_seconds_and_ten_each_second() -> None:
    asked = backendtraffic("web", retryConstraint={}).spec.retry_constraint
    assert asked is not None
    assert (asked.budget.percent, asked.budget.interval) == (20, "10s")
    assert (asked.min_retry_rate.count, asked.min_retry_rate.interval) == (10, "1s")
    assert backendtraffic("web").spec.retry_constraint is None
