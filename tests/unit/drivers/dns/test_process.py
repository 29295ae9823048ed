"""Pid files that are damaged; the process itself is in tests/contract/test_dns.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.base.paths import NodeDir
from tandem.compile.dns import compile_settings
from tandem.drivers.dns.port import DnsError
from tandem.drivers.dns.process import Unbound
from unit.compile.dns.dnsview import SHOP
from unit.drivers.dns.running import run


@pytest.mark.parametrize("text", ["", "12345", '{"pid": "x"}'])
def test_stopping_with_a_damaged_pid_file_removes_it(tmp_path: Path, text: str) -> None:
    paths = NodeDir(tmp_path)
    paths.dns_pid.write_text(text)
    run(Unbound(paths).stop())
    assert not paths.dns_pid.exists()


def test_a_missing_program_is_told_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.drivers.process.daemon.shutil.which", lambda *_, **__: None)
    with pytest.raises(DnsError, match="apt-get install unbound"):
        run(Unbound(NodeDir(tmp_path)).start(compile_settings(SHOP)))


def test_nothing_runs_at_first(tmp_path: Path) -> None:
    status = run(Unbound(NodeDir(tmp_path)).status())
    assert (status.pid, status.ready) == (0, False)
