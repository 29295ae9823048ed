"""Kernel settings as they were before."""

from __future__ import annotations

from pathlib import Path

from tandem.base.paths import NodeDir
from tandem.runtime.sysctls import remember, remembered


def test_the_first_values_ever_seen_are_kept(tmp_path: Path) -> None:
    node = NodeDir(tmp_path)
    remember(node, {"net.ipv4.ip_forward": "0"})
    remember(node, {"net.ipv4.ip_forward": "1"})
    assert remembered(node) == {"net.ipv4.ip_forward": "0"}


def test_where_nothing_was_changed_nothing_is_restored(tmp_path: Path) -> None:
    assert remembered(NodeDir(tmp_path)) == {}
