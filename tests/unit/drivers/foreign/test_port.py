"""Both implementations satisfy the protocol as mypy sees it."""

from __future__ import annotations

from tandem.drivers.foreign.fake import FakeForeign
from tandem.drivers.foreign.port import ForeignDriver
from tandem.drivers.foreign.real import KernelForeign


def test_real_and_fake_are_drivers() -> None:
    drivers: list[ForeignDriver] = [FakeForeign(), KernelForeign()]
    assert len(drivers) == 2
