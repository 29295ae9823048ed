"""Which command is iptables, where several may be; what is done with tables is tests/contract/test_firewall.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.firewall import real


def program(folder: Path, name: str, says: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


def test_the_command_is_the_one_of_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DriverError, match="there is no iptables-legacy on this machine"):
        real._command("iptables", "legacy")
    program(tmp_path, "iptables", "iptables v1.8.9 (nf_tables)")
    assert real._command("iptables", "nft") == "iptables"
    with pytest.raises(DriverError, match="there is no iptables-legacy"):
        real._command("iptables", "legacy")
    program(tmp_path, "iptables-legacy", "iptables v1.8.9 (legacy)")
    assert real._command("iptables", "legacy") == "iptables-legacy"


def test_a_table_that_no_command_can_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(real, "_legacy", lambda version: ("nat", "filter") if version == 4 else ())
    (told,) = real.Iptables().read().unread
    assert told.startswith("chains of iptables-legacy may drop what pods send, and are not read: there is no")
