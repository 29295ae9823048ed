"""`tandem canary`: what it paints."""

from __future__ import annotations

from typing import Any

from tandem.apps.cli.canary import ignored, paint, summary
from tandem.base.clock import parse_rfc3339

FIGURES = {"requests": 120, "successRate": 99.5, "latencyMs": 12.5}
CANARY: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
        "service": "web",
        "stable": {"subset": "v1"},
        "canary": {"service": "web-v2"},
        "steps": [{"weight": 20}, {"weight": 60}],
    },
    "status": {
        "phase": "Progressing",
        "weight": 60,
        "step": 1,
        "reason": "StepBegan",
        "message": "step 2 of 2",
        "stableFigures": FIGURES,
        "canaryFigures": {**FIGURES, "requests": 30},
        "history": [
            {"time": "2026-01-31T12:00:00Z", "reason": "Began", "message": "new", "weight": 0},
            {"time": "2026-01-31T12:01:00Z", "reason": "StepBegan", "message": "step 2 of 2", "weight": 60},
        ],
        "conditions": [
            {"type": "Accepted", "status": "True"},
            {"type": "Programmed", "status": "False", "message": "waiting for node n1"},
        ],
    },
}


def test_it_shows_where_it_stands_both_versions_and_what_has_happened() -> None:
    assert list(paint(CANARY, parse_rfc3339("2026-01-31T12:02:00Z"))) == [
        "shop/web: Progressing, step 2 of 2, 60% to the canary",
        "StepBegan: step 2 of 2",
        "not Programmed: waiting for node n1",
        "",
        "VERSION  SHARE  REQUESTS  SUCCESS  LATENCY",
        "web/v1   40%    120       99.5%    12.5 ms",
        "web-v2   60%    30        99.5%    12.5 ms",
        "",
        "AGE  WEIGHT  REASON     MESSAGE",
        "2m   0%      Began      new",
        "60s  60%     StepBegan  step 2 of 2",
    ]


def test_where_nothing_was_asked_nothing_was_measured() -> None:
    idle = {"requests": 0, "successRate": 100.0, "latencyMs": 0.0}
    quiet = {**CANARY, "status": {**CANARY["status"], "canaryFigures": idle}}
    assert "web-v2   60%    0         -        -" in list(paint(quiet, 0.0))


def test_one_that_has_not_begun_has_no_figures() -> None:
    fresh = {k: v for k, v in CANARY.items() if k != "status"}
    assert list(paint(fresh, 0.0)) == [
        "shop/web: not begun, step 1 of 2, 0% to the canary",
        "",
        "VERSION  SHARE  REQUESTS  SUCCESS  LATENCY",
        "web/v1   100%   -         -        -",
        "web-v2   0%     -         -        -",
    ]


def test_the_json_has_the_same() -> None:
    found = summary(CANARY)
    assert (found["phase"], found["weight"], found["step"], found["steps"]) == ("Progressing", 60, 2, 2)
    assert found["canary"] == {"version": "web-v2", **FIGURES, "requests": 30}


def told(*events: tuple[str, str]) -> dict[str, Any]:
    history = [{"time": "2026-01-31T12:00:00Z", "reason": r, "message": m, "weight": 0} for r, m in events]
    return {"status": {"history": history}}


def test_a_command_that_moved_nothing_says_why_also_the_second_time() -> None:
    nothing = "CommandIgnored", "nothing to abort: the rollout has ended, Promoted"
    promoted = told(("PromotedByHand", "by hand"))
    once = told(("PromotedByHand", "by hand"), nothing)
    twice = told(("PromotedByHand", "by hand"), nothing, nothing)
    assert ignored({}, promoted) == ""
    assert ignored(promoted, once) == nothing[1]
    assert ignored(once, once) == ""
    assert ignored(once, twice) == nothing[1]
