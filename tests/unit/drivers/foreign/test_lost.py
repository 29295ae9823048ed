"""Namespaces are found by what is in them; other worlds on this machine may have some as well."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from netns.podlab import ip, lab
from tandem.drivers.foreign.lost import spaces_with_ours
from tandem.drivers.foreign.real import KernelForeign
from tandem.state.foreign import UNTOUCHED


@pytest.mark.root
def test_a_table_or_a_rule_of_ours_gives_a_namespace_away_until_it_is_restored() -> None:
    with lab() as spaces:
        table, rule, neither = (spaces.add(name) for name in ("table", "rule", "neither"))
        subprocess.run(["nsenter", f"--net={table}", "nft", "add table inet tandem-policy"], check=True)
        subprocess.run(["nsenter", f"--net={neither}", "nft", "add table inet other"], check=True)
        ip(rule, *["rule", "add", "fwmark", "0x53a", "lookup", "116"])
        assert {table, rule} <= set(spaces_with_ours())
        assert neither not in spaces_with_ours()
        asyncio.run(KernelForeign().restore(table, UNTOUCHED))
        assert table not in spaces_with_ours()
