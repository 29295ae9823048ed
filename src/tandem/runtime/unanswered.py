"""Policies whose external authorizer gave no answer lately, from the flows that it cost.

In: flows. Out: the policies, each for a minute after the last request that could not be asked about.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tandem.base.clock import Clock
from tandem.base.problems import Origin
from tandem.observe.accesslog import UNANSWERED
from tandem.observe.flow import Flow

TOLD_SECONDS: Final = 60.0


class Unanswered:
    """One per agent."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[Origin, float] = {}

    def take(self, flows: Iterable[Flow]) -> None:
        """Note what flows tell."""
        for flow in flows:
            if flow.reason == UNANSWERED:
                self._until |= dict.fromkeys(flow.rules, self._clock.monotonic() + TOLD_SECONDS)

    def unmet(self) -> list[dict[str, str]]:
        """The policies, as the node's status tells of what is not in force as written."""
        now = self._clock.monotonic()
        self._until = {origin: until for origin, until in self._until.items() if until > now}
        keys = sorted({(o.kind, o.namespace, o.name) for o in self._until})
        text = "its external authorizer gave no answer lately: what it should have been asked about was not let through"
        return [{"kind": kind, "namespace": ns, "name": name, "message": text} for kind, ns, name in keys]
