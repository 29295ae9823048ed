"""The only place that reads the time; everything else is given a Clock or a number."""

from __future__ import annotations

import datetime
import time
from typing import Final, Protocol

EVER: Final = 0.0
"""From when our own roots are valid: a clock that falls back, at worst to 1970, must not end that."""


class Clock(Protocol):
    """Wall time and monotonic time, in seconds."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go back."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()  # noqa: TID251 - this is the place

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go back."""
        return time.monotonic()


class FixedClock:
    """A clock that moves only when told to; for tests."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._set_by = 0.0

    def now(self) -> float:
        """Seconds since the epoch, as set."""
        return self._now + self._set_by

    def monotonic(self) -> float:
        """The same number as `now`, until somebody sets the clock."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`."""
        self._now += seconds

    def set_by(self, seconds: float) -> None:
        """Set the wall clock forwards or back, with no time going by."""
        self._set_by += seconds


def rfc3339(seconds: float) -> str:
    """`2026-01-31T12:00:00Z`: the form of timestamps in the Kubernetes API (whole seconds, UTC)."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 timestamp; raises ValueError."""
    return datetime.datetime.fromisoformat(text).timestamp()
