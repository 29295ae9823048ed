"""tandem.io Canary: a new version of a Service that gets more and more of its requests while it does no worse."""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.base.digest import digest
from tandem.model.meta import Condition, Model, Object

COMMAND: Final = "tandem.io/canary"
"""Annotation: one of COMMANDS, which is done once and then taken away."""
COMMANDS: Final = ("promote", "abort", "pause", "resume", "restart")
IGNORED: Final = "CommandIgnored"
"""The reason in the history where a command had nothing to do."""
PROGRESSING: Final = "Progressing"
PROMOTED: Final = "Promoted"
ROLLED_BACK: Final = "RolledBack"
ENDED: Final = (PROMOTED, ROLLED_BACK)


class VersionRef(Model, frozen=True, kw_only=True):
    """spec.stable, spec.canary: a Service of the same namespace, or a subset (DestinationRule) of the Canary's own."""

    service: str = ""
    subset: str = ""


class ValueMatch(Model, frozen=True, kw_only=True):
    """spec.match[].headers[], spec.match[].cookies[]; a cookie has no regular expressions."""

    name: str
    type: str = "Exact"
    value: str = ""


class CanaryMatch(Model, frozen=True, kw_only=True):
    """spec.match[]: all of it must hold; of several one is enough."""

    headers: tuple[ValueMatch, ...] = ()
    cookies: tuple[ValueMatch, ...] = ()


class CanaryStep(Model, frozen=True, kw_only=True):
    """spec.steps[]: the canary's percentage, and how long it is kept at least."""

    weight: int
    pause: str = ""
    manual: bool = False
    """Somebody has to say that it goes on."""


class SuccessRate(Model, frozen=True, kw_only=True):
    """spec.analysis.successRate, in percent and percentage points."""

    minimum: float | None = msgspec.field(name="min", default=None)
    max_drop: float | None = None
    """Below the stable version's."""


class Latency(Model, frozen=True, kw_only=True):
    """spec.analysis.latency."""

    quantile: float = 0.99
    maximum: str = msgspec.field(name="max", default="")
    max_increase: float | None = None
    """Over the stable version's, in percent of it."""


class Analysis(Model, frozen=True, kw_only=True):
    """spec.analysis."""

    interval: str = "1m"
    min_requests: int = 20
    """Of the canary; of the stable version as well where the two are compared."""
    success_rate: SuccessRate = SuccessRate(minimum=99.0)
    latency: Latency | None = None
    failures: int = 0
    """Intervals of one rollout that may fail."""


class CanarySpec(Model, frozen=True, kw_only=True):
    """spec."""

    service: str = ""
    stable: VersionRef = VersionRef()
    canary: VersionRef = VersionRef()
    match: tuple[CanaryMatch, ...] = ()
    """A/B: only requests for which one of them holds are divided, all others go to the stable version."""
    steps: tuple[CanaryStep, ...] = ()
    analysis: Analysis = Analysis()
    progress_deadline: str = "10m"


class Measured(Model, frozen=True, kw_only=True):
    """status.stableFigures, status.canaryFigures: one version in the interval that was judged last."""

    requests: int
    success_rate: float
    """Percent."""
    latency_ms: float
    """The quantile of spec.analysis.latency, 0.99 where it has none."""


class Event(Model, frozen=True, kw_only=True):
    """status.history[]."""

    time: str
    reason: str
    message: str
    weight: int
    """After it."""


class CanaryStatus(Model, frozen=True, kw_only=True):
    """status. Everything that a rollout is going on with: control itself remembers nothing."""

    conditions: tuple[Condition, ...] = ()
    observed_generation: int = 0
    revision: str = ""
    """Of the spec that the rest is about."""
    phase: str = ""
    """Waiting, Progressing, Paused, Promoted or RolledBack."""
    weight: int = 0
    """The canary's percentage now."""
    step: int = 0
    step_started: str = ""
    paused: bool = False
    """By hand."""
    resumed: bool = False
    """The manual step was let go on."""
    hindered: bool = False
    """The reason is one that will go away without a judgement."""
    failures: int = 0
    """Intervals that failed."""
    reason: str = ""
    message: str = ""
    command: str = ""
    """The one that was done and is about to be taken away."""
    judged: str = ""
    stable_figures: Measured | None = None
    canary_figures: Measured | None = None
    history: tuple[Event, ...] = ()
    """The newest last."""


class Canary(Object, frozen=True, kw_only=True):
    """tandem.io Canary."""

    spec: CanarySpec = CanarySpec()
    status: CanaryStatus = CanaryStatus()

    @property
    def revision(self) -> str:
        """Changes with what is divided, between whom, and in which steps: then a rollout begins anew."""
        spec = self.spec
        return digest(msgspec.json.encode((spec.service, spec.stable, spec.canary, spec.match, spec.steps)), 12)

    @property
    def weight(self) -> int:
        """The percentage in force; what was reached for another revision counts for nothing."""
        return min(max(self.status.weight, 0), 100) if self.status.revision == self.revision else 0

    def version(self, ref: VersionRef) -> tuple[str, str]:
        """(name of the Service, subset) of `spec.stable` or `spec.canary`."""
        return ref.service or self.spec.service, ref.subset
