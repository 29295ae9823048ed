"""How long a container waits before its next start: none, then 10 s, 20 s, ... 5 min; a run of 10 min resets it."""

from __future__ import annotations

from typing import Final

FIRST: Final = 10.0
LONGEST: Final = 300.0
GOOD_RUN: Final = 600.0


class Backoff:
    """The pause before each restart of one container."""

    def __init__(self) -> None:
        self._failures = 0

    def after(self, ran_for: float) -> float:
        """Seconds to wait now, after an instance that ran this long."""
        if ran_for >= GOOD_RUN:
            self._failures = 0
        self._failures += 1
        return 0.0 if self._failures == 1 else min(LONGEST, FIRST * 2.0 ** min(self._failures - 2, 10))
