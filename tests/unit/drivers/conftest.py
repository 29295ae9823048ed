"""Fixtures of the tests of daemons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tandem.drivers.process import proc


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Command lines, of which none is run."""
    found: list[list[str]] = []

    def spawn(argv: Sequence[str], log: Path) -> proc.Process:
        del log
        found.append(list(argv))
        return proc.Process(1, 0)

    monkeypatch.setattr(proc, "spawn", spawn)
    return found
