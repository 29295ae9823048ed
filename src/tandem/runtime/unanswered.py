"""Policies whose external authorizer, or counter, gave no answer lately, from the flows that it cost.

In: flows. Out: the policies, each for a minute after the last request that could not be asked about.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tandem.base.clock import Clock
from tandem.base.problems import Origin
from tandem.observe.accesslog import UNANSWERED
from tandem.observe.flow import Flow
from tandem.observe.limited import SILENT

TOLD_SECONDS: Final = 60.0
_WORDS: Final = {
    UNANSWERED: (
        "its external authorizer gave no answer lately: what it should have been asked about was not let through"
    ),
    SILENT: "its counter gave no answer lately: what it should have counted was not let through",
}


class Unanswered:
    """One per agent."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[tuple[str, Origin], float] = {}

    def take(self, flows: Iterable[Flow]) -> None:
        """Note what flows tell."""
        for flow in flows:
            if flow.reason in _WORDS:
                until = self._clock.monotonic() + TOLD_SECONDS
                self._until |= {(flow.reason, origin): until for origin in flow.rules}

    def unmet(self) -> list[dict[str, str]]:
        """The policies, as the node's status tells of what is not in force as written."""
        now = self._clock.monotonic()
        self._until = {told: until for told, until in self._until.items() if until > now}
        keys = sorted({(o.kind, o.namespace, o.name, reason) for reason, o in self._until})
        return [
            {"kind": kind, "namespace": namespace, "name": name, "message": _WORDS[reason]}
            for kind, namespace, name, reason in keys
        ]
