"""Fixtures of worlds that are looked at before anything of ours is in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.lab import Lab, lab
from tandem.runtime.kernelstate import Picture


@pytest.fixture(scope="module")
def bare() -> Iterator[Lab]:
    """A world with nothing of ours; a module with more in it has a fixture of this name."""
    with lab() as made:
        yield made


@pytest.fixture(scope="module")
def before(bare: Lab) -> Picture:
    """What was there first."""
    return bare.picture()
