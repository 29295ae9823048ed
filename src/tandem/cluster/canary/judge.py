"""What both versions did in a window -> whether the new one is good enough. Pure.

Bad is what is known to be bad, also while a node is silent; good is only what is known of every node.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final

import msgspec

from tandem.cluster.canary.window import Counted
from tandem.ir.tally import Tally
from tandem.model.canary import Analysis, Measured
from tandem.model.schemas.rules_gateway import milliseconds

QUANTILE: Final = 0.99
"""What is shown of latency where nothing is asked of it."""


TOO_FEW: Final = "TooFewRequests"
"""Reason where waiting for more is all that is needed."""
NO_ENDPOINTS: Final = "NoEndpoints"


class Outcome(Enum):
    """NO_DATA: neither; everything stays as it is."""

    GOOD = "good"
    BAD = "bad"
    NO_DATA = "no data"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome, the reason for it as a condition has it, and in a sentence; the figures where there are any."""

    outcome: Outcome
    reason: str
    message: str
    stable: Measured | None = None
    canary: Measured | None = None


def judge(analysis: Analysis, window: Counted, *, what: str = "requests") -> Judgement:
    """Whether the new version did well enough in a window; `what`: what was counted there."""
    stable, canary = _measured(analysis, window.stable), _measured(analysis, window.canary)

    def say(outcome: Outcome, reason: str, message: str) -> Judgement:
        return Judgement(outcome=outcome, reason=reason, message=message, stable=stable, canary=canary)

    enough, compared = (version.requests >= analysis.min_requests for version in (canary, stable))
    if enough:
        for reason, message in _bad(analysis, stable if compared else None, canary, what):
            return say(Outcome.BAD, reason, message)
    if window.missing:
        shown = ", ".join(window.missing)
        return say(Outcome.NO_DATA, "NodesSilent", f"not everything is known of the {what} from node {shown}")
    if not enough or (not compared and _compares(analysis)):
        which = "stable version" if enough else "canary"
        text = f"fewer than {analysis.min_requests} {what} of the {which} so far"
        return say(Outcome.NO_DATA, TOO_FEW, text)
    return say(Outcome.GOOD, "AnalysisPassed", "the canary does no worse than it may")


def deserted(interval: str) -> Judgement:
    """Of a version without a ready endpoint for a whole interval: whatever it is sent gets no answer, known or not."""
    text = f"the canary has had no ready endpoint for {interval}"
    return Judgement(outcome=Outcome.BAD, reason=NO_ENDPOINTS, message=text)


def _measured(analysis: Analysis, tally: Tally) -> Measured:
    quantile = analysis.latency.quantile if analysis.latency is not None else QUANTILE
    return Measured(
        requests=tally.requests,
        success_rate=round(tally.success_rate, 3),
        latency_ms=round(tally.latency_ms(quantile), 1),
    )


def _compares(analysis: Analysis) -> bool:
    relative = analysis.latency is not None and analysis.latency.max_increase is not None
    return relative or analysis.success_rate.max_drop is not None


def _bad(analysis: Analysis, stable: Measured | None, canary: Measured, what: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the canary; without figures of the stable version only what is wrong by itself."""
    rate = analysis.success_rate
    if rate.minimum is not None and canary.success_rate < rate.minimum:
        yield "SuccessRateTooLow", f"{canary.success_rate}% of the canary's {what} succeeded, not {rate.minimum}%"
    if stable is not None and rate.max_drop is not None and stable.success_rate - canary.success_rate > rate.max_drop:
        text = f"{canary.success_rate}% of the canary's {what} succeeded, of the stable version's"
        yield "SuccessRateDropped", f"{text} {stable.success_rate}%: more than {rate.max_drop} points less"
    if analysis.latency is None:
        return
    latency, took = analysis.latency, f"{canary.latency_ms} ms in quantile {analysis.latency.quantile}"
    if latency.maximum and canary.latency_ms > milliseconds(latency.maximum):
        yield "LatencyTooHigh", f"the canary takes {took}, more than {latency.maximum}"
    if stable is None or latency.max_increase is None:
        return
    if canary.latency_ms > stable.latency_ms * (1 + latency.max_increase / 100):
        text = f"the canary takes {took}, the stable version {stable.latency_ms} ms"
        yield "LatencyIncreased", f"{text}: more than {latency.max_increase}% more"
