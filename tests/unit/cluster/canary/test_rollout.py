"""How a rollout goes on: what moves weights, what holds them, and what brings them back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from meshworlds import canary
from tandem.base.clock import parse_rfc3339
from tandem.cluster.canary.judge import Judgement, Outcome
from tandem.cluster.canary.rollout import REMEMBERED, Known, advance
from tandem.model.canary import COMMAND, Canary, CanaryStatus

GOOD = Judgement(outcome=Outcome.GOOD, reason="AnalysisPassed", message="well")
BAD = Judgement(outcome=Outcome.BAD, reason="SuccessRateTooLow", message="badly")
NO_DATA = Judgement(outcome=Outcome.NO_DATA, reason="NodesSilent", message="n1")
NOW = 1_700_000_000.0


class Rollout:
    """A Canary and its status from one look to the next."""

    def __init__(self, **spec: Any) -> None:
        self.now = NOW
        self.canary: Canary = canary(**spec)

    def look(self, judgement: Judgement | None = None, *, after: float = 1.0, **known: Any) -> CanaryStatus:
        self.now += after
        started = self.canary.status.step_started
        elapsed = self.now - parse_rfc3339(started) if started else 0.0
        found = Known(judgement=judgement, elapsed=elapsed, **{"ready": True, **known})
        status = advance(self.canary, found, self.now)
        self.canary = msgspec.structs.replace(self.canary, status=status)
        return status

    def say(self, command: str) -> CanaryStatus:
        """The annotation is written, done, and taken away."""
        for value in (command, ""):
            notes = {COMMAND: value} if value else {}
            meta = msgspec.structs.replace(self.canary.metadata, annotations=notes)
            self.canary = msgspec.structs.replace(self.canary, metadata=meta)
            if value:
                found = self.look()
            else:
                self.look()
        return found

    def begun(self) -> Rollout:
        self.look()
        self.look()
        return self


def place(status: CanaryStatus) -> tuple[str, int, str]:
    return status.phase, status.weight, status.reason


def test_it_waits_for_a_ready_endpoint_and_then_takes_the_first_step() -> None:
    rollout = Rollout()
    assert place(rollout.look(ready=False)) == ("Waiting", 0, "Began")
    assert place(rollout.look(ready=False)) == ("Waiting", 0, "NoEndpoints")
    assert place(rollout.look()) == ("Progressing", 20, "StepBegan")


def test_each_good_judgement_leads_a_step_on_and_the_last_to_the_promotion() -> None:
    rollout = Rollout().begun()
    assert [place(rollout.look(GOOD)) for _ in range(2)] == [
        ("Progressing", 60, "StepBegan"),
        ("Promoted", 100, "Promoted"),
    ]


def test_without_a_judgement_nothing_changes() -> None:
    rollout = Rollout().begun()
    before = rollout.canary.status
    assert rollout.look() == before


def test_a_step_lasts_as_long_as_it_says_and_needs_a_good_judgement_at_its_end() -> None:
    rollout = Rollout(steps=[{"weight": 20, "pause": "1m"}, {"weight": 60}]).begun()
    assert rollout.look(GOOD).weight == 20
    assert rollout.look(NO_DATA, after=60).weight == 20
    assert rollout.look().weight == 20
    assert rollout.look(GOOD).weight == 60


@pytest.mark.parametrize("judgement", [BAD, NO_DATA, None])
def test_an_older_good_judgement_does_not_count(judgement: Judgement | None) -> None:
    rollout = Rollout(steps=[{"weight": 20, "pause": "1m"}], analysis={"failures": 5}).begun()
    rollout.look(GOOD)
    rollout.look(judgement)
    assert rollout.look(after=120).phase == "Progressing"


def test_a_bad_judgement_brings_everything_back_at_once() -> None:
    assert place(Rollout().begun().look(BAD)) == ("RolledBack", 0, "SuccessRateTooLow")


def test_as_many_may_fail_as_it_says_in_the_whole_rollout() -> None:
    rollout = Rollout(analysis={"failures": 2}).begun()
    assert rollout.look(BAD).failures == 1
    rollout.look(GOOD)
    assert place(rollout.look(BAD)) == ("Progressing", 60, "SuccessRateTooLow")
    assert place(rollout.look(BAD)) == ("RolledBack", 0, "SuccessRateTooLow")


def test_a_manual_step_waits_for_a_hand_and_for_a_good_judgement() -> None:
    rollout = Rollout(steps=[{"weight": 20, "manual": True}, {"weight": 60}]).begun()
    assert place(rollout.look(GOOD)) == ("Paused", 20, "ManualStep")
    assert place(rollout.look(GOOD, after=7 * 86400)) == ("Paused", 20, "ManualStep")
    assert place(rollout.say("resume")) == ("Progressing", 20, "Resumed")
    assert rollout.look(NO_DATA).weight == 20
    assert rollout.look(GOOD).weight == 60


def test_what_fails_while_it_is_paused_is_rolled_back() -> None:
    rollout = Rollout().begun()
    assert place(rollout.say("pause")) == ("Paused", 20, "PausedByHand")
    assert place(rollout.look(GOOD, after=86400)) == ("Paused", 20, "PausedByHand")
    assert rollout.look(BAD).phase == "RolledBack"


def test_a_pause_ends_where_it_began() -> None:
    rollout = Rollout().begun()
    rollout.look(GOOD)
    rollout.say("pause")
    rollout.look(GOOD, after=86400)
    rollout.say("resume")
    assert place(rollout.look(GOOD)) == ("Promoted", 100, "Promoted")


def test_a_pause_before_the_first_step_leads_to_it() -> None:
    rollout = Rollout()
    rollout.look(ready=False)
    rollout.say("pause")
    assert rollout.look().weight == 0
    rollout.say("resume")
    assert rollout.look().weight == 20


@pytest.mark.parametrize(
    ("command", "found"), [("promote", ("Promoted", 100, "PromotedByHand")), ("abort", ("RolledBack", 0, "Aborted"))]
)
def test_it_is_ended_by_hand_and_nothing_but_a_restart_follows(command: str, found: tuple[str, int, str]) -> None:
    rollout = Rollout().begun()
    assert place(rollout.say(command)) == found
    for other in ("promote", "abort", "pause", "resume"):
        assert place(rollout.say(other)) == found
    assert place(rollout.look(BAD)) == found
    assert place(rollout.say("restart"))[:2] == ("Waiting", 0)


def test_a_command_is_done_once_however_often_it_is_seen() -> None:
    rollout = Rollout().begun()
    meta = msgspec.structs.replace(rollout.canary.metadata, annotations={COMMAND: "restart"})
    rollout.canary = msgspec.structs.replace(rollout.canary, metadata=meta)
    began = [rollout.look().history for _ in range(4)][-1]
    assert [e.reason for e in began] == ["Began", "StepBegan", "Began", "StepBegan"]


def test_an_unknown_command_changes_nothing_and_is_remembered() -> None:
    rollout = Rollout().begun()
    found = rollout.say("explode")
    assert place(found) == ("Progressing", 20, "StepBegan")
    assert found.history[-1].reason == "UnknownCommand"


def test_another_spec_begins_anew_and_another_analysis_does_not() -> None:
    rollout = Rollout().begun()
    rollout.look(GOOD)
    spec = rollout.canary.spec
    analysis = msgspec.structs.replace(spec.analysis, failures=3)
    rollout.canary = msgspec.structs.replace(
        rollout.canary, spec=msgspec.structs.replace(spec, analysis=analysis, progress_deadline="1h")
    )
    assert rollout.look().weight == 60
    swapped = msgspec.structs.replace(spec, stable=spec.canary, canary=spec.stable)
    rollout.canary = msgspec.structs.replace(rollout.canary, spec=swapped)
    assert rollout.canary.weight == 0
    assert place(rollout.look())[:2] == ("Waiting", 0)


def test_what_does_not_get_on_is_rolled_back_after_the_deadline_and_the_steps_own_time() -> None:
    steps = [{"weight": 20, "pause": "5m"}]
    rollout = Rollout(steps=steps, progressDeadline="10m").begun()
    assert rollout.look(after=14 * 60).phase == "Progressing"
    assert place(rollout.look(after=61)) == ("RolledBack", 0, "ProgressDeadlineExceeded")


def test_an_obstacle_holds_everything_but_the_way_back() -> None:
    rollout = Rollout().begun()
    obstacle = ("NotInForce", "waiting for node n1")
    assert place(rollout.look(GOOD, obstacle=obstacle)) == ("Progressing", 20, "NotInForce")
    assert place(rollout.look(BAD, obstacle=obstacle)) == ("RolledBack", 0, "SuccessRateTooLow")


def test_what_was_in_the_way_is_not_told_when_it_is_gone() -> None:
    rollout = Rollout().begun()
    assert rollout.look(obstacle=("NotInForce", "waiting for node n1")).reason == "NotInForce"
    assert place(rollout.look()) == ("Progressing", 20, "Judging")


def test_the_history_is_bounded() -> None:
    rollout = Rollout().begun()
    for _ in range(REMEMBERED):
        rollout.say("restart")
    assert len(rollout.canary.status.history) == REMEMBERED


def test_how_long_a_step_takes_is_not_told_by_a_clock_that_somebody_sets() -> None:
    rollout = Rollout(steps=[{"weight": 20, "pause": "1m"}, {"weight": 60}], progressDeadline="10m").begun()
    for now in (NOW + 86400, NOW - 86400):
        status = advance(rollout.canary, Known(ready=True, judgement=GOOD, elapsed=30.0), now)
        assert (status.phase, status.weight) == ("Progressing", 20)
    assert advance(rollout.canary, Known(ready=True, judgement=GOOD, elapsed=60.0), NOW - 86400).weight == 60
