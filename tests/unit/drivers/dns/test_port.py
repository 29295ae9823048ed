"""Both implementations satisfy the protocol as mypy sees it, and a status begins as not running."""

from __future__ import annotations

from pathlib import Path

from tandem.drivers.dns.fake import FakeDns
from tandem.drivers.dns.port import DnsDriver, DnsStatus
from tandem.drivers.dns.real import UnboundRecords


def test_real_and_fake_are_drivers(tmp_path: Path) -> None:
    drivers: list[DnsDriver] = [FakeDns(), UnboundRecords(tmp_path / "dns.sock")]
    assert len(drivers) == 2


def test_nothing_runs_at_first() -> None:
    assert DnsStatus() == DnsStatus(pid=0, version="", ready=False, adopted=False, restarts=0)
