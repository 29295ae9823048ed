"""Both implementations satisfy the protocol as mypy sees it."""

from __future__ import annotations

from pathlib import Path

from tandem.drivers.dns.fake import FakeDns
from tandem.drivers.dns.port import DnsDriver
from tandem.drivers.dns.real import UnboundRecords


def test_real_and_fake_are_drivers(tmp_path: Path) -> None:
    drivers: list[DnsDriver] = [FakeDns(), UnboundRecords(tmp_path / "dns.sock", tmp_path / "zone")]
    assert len(drivers) == 2
