"""Good is what is known to be good; bad is what is known to be bad; everything else is no data."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tandem.cluster.canary.judge import TOO_FEW, Outcome, deserted, judge
from tandem.cluster.canary.window import Counted
from tandem.ir.tally import Tally, bucket_of
from tandem.model.canary import Analysis


def asked(**fields: Any) -> Analysis:
    return msgspec.convert({"minRequests": 10, **fields}, Analysis)


def did(requests: int, failed: int = 0, ms: float = 10.0) -> Tally:
    return Tally(requests=requests, failed=failed, latencies={bucket_of(ms): requests} if requests else {})


def verdict(analysis: Analysis, stable: Tally, canary: Tally, *missing: str) -> tuple[Outcome, str]:
    found = judge(analysis, Counted(stable=stable, canary=canary, missing=missing))
    return found.outcome, found.reason


RATE = asked(successRate={"min": 99})
DROP = asked(successRate={"maxDrop": 1})
MOST = asked(latency={"quantile": 0.9, "max": "100ms"}, successRate={})
MORE = asked(latency={"maxIncrease": 50}, successRate={})


@pytest.mark.parametrize(
    ("analysis", "stable", "canary", "reason"),
    [
        (RATE, did(0), did(100, 2), "SuccessRateTooLow"),
        (DROP, did(100, 1), did(100, 3), "SuccessRateDropped"),
        (MOST, did(0), did(100, ms=120), "LatencyTooHigh"),
        (MORE, did(100, ms=10), did(100, ms=17), "LatencyIncreased"),
    ],
)
def test_what_is_worse_than_it_may_be_is_bad(analysis: Analysis, stable: Tally, canary: Tally, reason: str) -> None:
    assert verdict(analysis, stable, canary) == (Outcome.BAD, reason)
    assert verdict(analysis, stable, canary, "n1") == (Outcome.BAD, reason)


@pytest.mark.parametrize(
    ("analysis", "stable", "canary"),
    [
        (RATE, did(0), did(100, 1)),
        (DROP, did(100, 50), did(100, 51)),
        (MOST, did(0), did(100, ms=90)),
        (MORE, did(100, ms=10), did(100, ms=14)),
        (MORE, did(100, ms=100), did(100, ms=1)),
    ],
)
def test_what_is_as_good_as_it_must_be_is_good_unless_a_node_is_silent(
    analysis: Analysis, stable: Tally, canary: Tally
) -> None:
    assert verdict(analysis, stable, canary) == (Outcome.GOOD, "AnalysisPassed")
    assert verdict(analysis, stable, canary, "n1") == (Outcome.NO_DATA, "NodesSilent")


def test_too_few_requests_of_the_canary_say_nothing_however_they_went() -> None:
    assert verdict(RATE, did(100), did(9, 9)) == (Outcome.NO_DATA, TOO_FEW)
    assert verdict(RATE, did(100), did(0)) == (Outcome.NO_DATA, TOO_FEW)


def test_a_silent_node_is_told_before_too_few_requests_since_waiting_alone_will_not_help() -> None:
    assert verdict(RATE, did(100), did(9), "n1") == (Outcome.NO_DATA, "NodesSilent")


def test_where_versions_are_compared_the_stable_one_needs_requests_too() -> None:
    assert verdict(DROP, did(9), did(100)) == (Outcome.NO_DATA, TOO_FEW)
    assert verdict(MORE, did(9), did(100)) == (Outcome.NO_DATA, TOO_FEW)
    assert verdict(RATE, did(0), did(100)) == (Outcome.GOOD, "AnalysisPassed")


def test_the_figures_of_both_versions_are_told() -> None:
    found = judge(MOST, Counted(stable=did(40, 10), canary=did(20, ms=500)))
    assert found.stable is not None
    assert found.canary is not None
    assert (found.stable.requests, found.stable.success_rate) == (40, 75.0)
    assert 500 <= found.canary.latency_ms <= 525


def test_what_was_counted_is_called_by_its_name() -> None:
    window = Counted(stable=did(40), canary=did(20, 20))
    assert "of the canary's connections succeeded" in judge(Analysis(), window, what="connections").message


def test_a_version_that_is_not_there_for_an_interval_is_bad_without_a_request() -> None:
    found = deserted("1m")
    assert (found.outcome, found.reason) == (Outcome.BAD, "NoEndpoints")
    assert found.message == "the canary has had no ready endpoint for 1m"
