"""The demo, from its first command to the picture of a clean kernel."""

from __future__ import annotations

import sys

import pytest

from e2e.lab import lab

pytestmark = pytest.mark.root


def test_every_expectation_of_the_demo_holds() -> None:
    with lab() as world:
        told = world.run(sys.executable, "-m", "tandem.apps.demo")
    assert told.status == 0, told.text
