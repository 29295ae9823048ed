"""How far a long command is, for people, on stderr: lines that stay, and one that changes while they wait.

On a terminal the changing line is written over; elsewhere it is a line of its own, now and then.
"""

from __future__ import annotations

import sys
import time
from typing import Final

_OFTEN: Final = 0.1
_SELDOM: Final = 10.0
_ERASE: Final = "\r\x1b[2K"


class Progress:
    """Of one command."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._pause = _OFTEN if self._terminal else _SELDOM
        self._open = False
        self._told = time.monotonic()

    def line(self, text: str) -> None:
        """A line that stays."""
        if not self._quiet:
            self.clear()
            _write(f"{text}\n")

    def moving(self, text: str) -> None:
        """What is going on; most of what comes close after another is left out."""
        now = time.monotonic()
        if self._quiet or now - self._told < self._pause:
            return
        self._told = now
        _write(f"{_ERASE}{text}" if self._terminal else f"{text}\n")
        self._open = self._terminal

    def clear(self) -> None:
        """Before something else is written to the terminal."""
        if self._open:
            _write(_ERASE)
            self._open = False


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
