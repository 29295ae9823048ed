"""A Canary, what is known of it now -> its next status. Pure: the whole of a rollout is in the status of the object.

Weights change here alone. Upwards only with a good judgement of the interval that has just ended, or by hand; after a
bad one too many, or too long a wait, to 0. In doubt nothing changes.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.base.clock import rfc3339
from tandem.cluster.canary.judge import NO_ENDPOINTS, Judgement, Outcome
from tandem.model.canary import (
    COMMAND,
    COMMANDS,
    ENDED,
    IGNORED,
    PROGRESSING,
    PROMOTED,
    ROLLED_BACK,
    Canary,
    CanaryStatus,
    CanaryStep,
    Event,
)
from tandem.model.schemas.rules_gateway import milliseconds

WAITING: Final = "Waiting"
PAUSED: Final = "Paused"
EXPECTED: Final = frozenset(
    {"Began", "StepBegan", "ManualStep", "PausedByHand", "Resumed", "Promoted", "PromotedByHand"},
)
"""Reasons in the history with which nothing is wrong."""
REMEMBERED: Final = 30
"""Entries of the history."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to know of a Canary beside itself."""

    ready: bool = False
    """The new version has a ready endpoint."""
    obstacle: tuple[str, str] | None = None
    """Reason and message: why weights are not in force on every node, or cannot be."""
    judgement: Judgement | None = None
    """Of a window that has just ended."""
    what: str = "requests"
    """What is divided."""
    elapsed: float = 0.0
    """Seconds since the step began, whatever was done to the clock meanwhile."""


def advance(canary: Canary, known: Known, now: float) -> CanaryStatus:
    """The status that the Canary should have; equal to the one that it has where nothing is to be done."""
    return _Rollout(canary, now).advance(known)


class _Rollout:
    def __init__(self, canary: Canary, now: float) -> None:
        self._canary = canary
        self._spec = canary.spec
        self._now = now
        self._status = canary.status
        self._what = "requests"
        self._elapsed = 0.0

    def advance(self, known: Known) -> CanaryStatus:
        self._what, self._elapsed = known.what, known.elapsed
        if self._status.revision != self._canary.revision:
            self._begin("the object, or what it divides, is new")
            return self._done()
        if not self._command() and self._status.phase not in ENDED:
            self._go_on(known)
        return self._done()

    def _done(self) -> CanaryStatus:
        generation = self._canary.metadata.generation
        return msgspec.structs.replace(self._status, observed_generation=generation)

    # By hand.

    def _command(self) -> bool:
        """Do what the annotation says, once; True if that was something."""
        asked = self._canary.metadata.annotations.get(COMMAND, "")
        if asked == self._status.command:
            return False
        self._set(command=asked)
        if asked not in COMMANDS:
            if asked:
                self._remember("UnknownCommand", f"{COMMAND}: {asked!r} is none of {', '.join(COMMANDS)}")
            return bool(asked)
        if asked == "restart":
            self._begin("by hand")
        elif self._status.phase in ENDED:
            self._remember(IGNORED, f"nothing to {asked}: the rollout has ended, {self._status.phase}")
        elif asked == "promote":
            self._end(PROMOTED, "PromotedByHand", "by hand, whatever was measured")
        elif asked == "abort":
            self._end(ROLLED_BACK, "Aborted", "by hand")
        elif asked == "pause":
            self._set(paused=True)
            self._enter(PAUSED, "PausedByHand", "until it is resumed")
        else:
            self._resume()
        return True

    def _resume(self) -> None:
        manual = self._status.phase == PAUSED and not self._status.paused
        if self._status.phase != PAUSED:
            self._remember(IGNORED, "nothing to resume: the rollout is not paused")
            return
        # The deadline begins anew: a pause is nobody's delay.
        self._set(paused=False, resumed=self._status.resumed or manual, step_started=rfc3339(self._now))
        phase = PROGRESSING if self._status.weight else WAITING
        self._enter(phase, "Resumed", "by hand")

    # By itself.

    def _begin(self, why: str) -> None:
        before = self._status
        self._status = CanaryStatus(
            conditions=before.conditions,
            revision=self._canary.revision,
            command=before.command,
            step_started=rfc3339(self._now),
            history=before.history,
        )
        self._enter(WAITING, "Began", f"everything goes to the stable version until the canary is ready: {why}")

    def _go_on(self, known: Known) -> None:
        if self._status.hindered and known.obstacle is None:
            self._set(hindered=False)
            self._say("Judging", "an interval is under way")
        if known.judgement is not None:
            self._judged(known.judgement)
            if self._status.phase in ENDED:
                return
        if not self._status.paused and self._overdue():
            waited = f"not in {self._spec.progress_deadline}: {self._status.message}"
            self._end(ROLLED_BACK, "ProgressDeadlineExceeded", waited)
        elif known.obstacle is not None:
            self._set(hindered=True)
            self._say(*known.obstacle)
        elif self._status.paused:
            return
        elif self._status.phase == WAITING:
            self._wait(ready=known.ready)
        elif known.judgement is not None and known.judgement.outcome is Outcome.GOOD:
            self._next_step()

    def _wait(self, *, ready: bool) -> None:
        if ready:
            self._start(0)
        else:
            self._say(NO_ENDPOINTS, "the canary has no ready endpoint")

    def _judged(self, found: Judgement) -> None:
        self._set(judged=rfc3339(self._now), stable_figures=found.stable, canary_figures=found.canary)
        match found.outcome:
            case Outcome.NO_DATA | Outcome.GOOD:
                self._say(found.reason, found.message)
            case Outcome.BAD:
                self._set(failures=self._status.failures + 1)
                if self._status.failures > self._spec.analysis.failures:
                    self._end(ROLLED_BACK, found.reason, found.message)
                else:
                    self._note(found.reason, f"{found.message} ({self._status.failures} may fail)")

    def _next_step(self) -> None:
        step = self._step()
        if self._elapsed < _seconds(step.pause):
            return
        if step.manual and not self._status.resumed:
            if self._status.phase != PAUSED:
                self._enter(PAUSED, "ManualStep", f"the canary does well at {step.weight}%, and waits to be resumed")
        elif self._status.step + 1 < len(self._spec.steps):
            self._start(self._status.step + 1)
        else:
            self._end(PROMOTED, "Promoted", "the canary did well in every step")

    def _start(self, index: int) -> None:
        self._set(step=index, step_started=rfc3339(self._now), resumed=False)
        weight = self._spec.steps[index].weight
        whose = "of the requests that match" if self._spec.match else f"of all {self._what}"
        self._set(weight=weight)
        text = f"step {index + 1} of {len(self._spec.steps)}: {weight}% {whose} go to the canary"
        self._enter(PROGRESSING, "StepBegan", text)

    def _end(self, phase: str, reason: str, message: str) -> None:
        self._set(weight=100 if phase == PROMOTED else 0, paused=False, resumed=False)
        self._enter(phase, reason, message)

    def _overdue(self) -> bool:
        """A step that waits for a hand is nobody's delay."""
        if self._status.phase == PAUSED:
            return False
        pause = _seconds(self._step().pause) if self._status.phase == PROGRESSING else 0.0
        return self._elapsed > pause + _seconds(self._spec.progress_deadline)

    def _step(self) -> CanaryStep:
        return self._spec.steps[min(self._status.step, len(self._spec.steps) - 1)]

    # Words.

    def _set(self, **fields: object) -> None:
        self._status = msgspec.structs.replace(self._status, **fields)

    def _enter(self, phase: str, reason: str, message: str) -> None:
        self._set(phase=phase)
        self._note(reason, message)

    def _say(self, reason: str, message: str) -> None:
        """Where it stands; a step that waits for a hand keeps its own words."""
        if self._status.phase != PAUSED:
            self._set(reason=reason, message=message)

    def _note(self, reason: str, message: str) -> None:
        self._set(reason=reason, message=message)
        self._remember(reason, message)

    def _remember(self, reason: str, message: str) -> None:
        event = Event(time=rfc3339(self._now), reason=reason, message=message, weight=self._status.weight)
        self._set(history=(*self._status.history, event)[-REMEMBERED:])


def _seconds(text: str) -> float:
    return milliseconds(text) / 1000
