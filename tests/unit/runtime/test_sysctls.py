"""Kernel settings as they were before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from fulldisk import no_room
from tandem.base.paths import NodeDir
from tandem.base.problems import DriverError
from tandem.drivers.link.fake import FakeLinks
from tandem.runtime import sysctls
from tandem.runtime.sysctls import change, remember, remembered, wanted_for_ipv6


def test_the_first_values_ever_seen_are_kept(tmp_path: Path) -> None:
    node = NodeDir(tmp_path)
    remember(node, {"net.ipv4.ip_forward": "0"})
    remember(node, {"net.ipv4.ip_forward": "1"})
    assert remembered(node) == {"net.ipv4.ip_forward": "0"}


def test_where_nothing_was_changed_nothing_is_restored(tmp_path: Path) -> None:
    assert remembered(NodeDir(tmp_path)) == {}


def test_a_setting_that_is_changed_later_is_kept_beside_the_others(tmp_path: Path) -> None:
    node = NodeDir(tmp_path)
    remember(node, {"net.ipv4.ip_forward": "0"})
    remember(node, {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "0"})
    assert remembered(node) == {"net.ipv4.ip_forward": "0", "net.ipv6.conf.all.forwarding": "0"}


def test_what_others_set_is_told_and_the_first_value_stays_the_one_to_restore(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node, links = NodeDir(tmp_path), FakeLinks()
    wanted = {"net.ipv4.ip_forward": "1"}
    for _ in range(2):  # an agent, and one that takes over
        asyncio.run(change(links, node, wanted))
    assert "by others" not in capsys.readouterr().out
    links.sysctls["net.ipv4.ip_forward"] = "2"
    asyncio.run(change(links, node, wanted))
    assert "kernel settings changed by others, and set again" in capsys.readouterr().out
    assert (links.sysctls["net.ipv4.ip_forward"], remembered(node)) == ("1", {"net.ipv4.ip_forward": "0"})


def test_a_bridge_takes_the_path_check_off_all_links_and_each_other_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysctls, "_CHECKS", tmp_path)
    for link, own in {"all": 2, "default": 0, "eth0.7": 1, "loose": 2, "td-br": 0, "tandem-vx": 1}.items():
        (tmp_path / link).mkdir()
        (tmp_path / link / "rp_filter").write_text(f"{own}\n")
    (tmp_path / "gone").mkdir()
    assert list(sysctls.wanted_for_segment().items()) == [
        ("net.ipv4.conf.default.rp_filter", "2"),
        ("net.ipv4.conf.eth0/7.rp_filter", "2"),
        ("net.ipv4.conf.all.rp_filter", "0"),
    ]
    (tmp_path / "all" / "rp_filter").write_text("0\n")
    assert sysctls.wanted_for_segment() == {}


def test_settings_of_links_that_have_gone_are_not_restored() -> None:
    there = {"net.ipv4.conf.lo.rp_filter": "0", "net.ipv4.ip_forward": "1"}
    assert sysctls.there({**there, "net.ipv4.conf.no/such.rp_filter": "0"}) == there


def test_what_is_known_is_not_written_again(tmp_path: Path) -> None:
    node = NodeDir(tmp_path)
    remember(node, {"net.ipv4.ip_forward": "0"})
    first = (tmp_path / "sysctls.json").stat().st_ino
    remember(node, {"net.ipv4.ip_forward": "1"})
    assert (tmp_path / "sysctls.json").stat().st_ino == first
    assert [p.name for p in tmp_path.iterdir()] == ["sysctls.json"]


def test_default_routes_that_routers_told_of_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zero = "0" * 32
    table = tmp_path / "ipv6_route"
    table.write_text(
        f"{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003 eth0.7\n"
        f"{zero} 00 {zero} 00 fd000000000000000000000000000001 00000400 00000001 00000000 00000003   eth1\n"
        f"fd{zero[2:]} 40 {zero} 00 {zero} 00000100 00000001 00000000 00040001   eth2\n"
    )
    monkeypatch.setattr(sysctls, "_ROUTES", table)
    assert list(wanted_for_ipv6().items()) == [
        ("net.ipv6.conf.eth0/7.accept_ra", "2"),
        ("net.ipv6.conf.all.forwarding", "1"),
    ]


def test_without_ipv6_in_the_kernel_forwarding_alone_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysctls, "_ROUTES", tmp_path / "none")
    assert wanted_for_ipv6() == {"net.ipv6.conf.all.forwarding": "1"}


def test_an_agent_that_is_killed_while_it_sets_them_has_remembered_what_was_before(tmp_path: Path) -> None:
    class Dying(FakeLinks):
        async def set_sysctls(self, wanted: Mapping[str, str]) -> dict[str, str]:
            await super().set_sysctls(wanted)
            raise KeyboardInterrupt

    links, node = Dying(), NodeDir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(change(links, node, {"net.ipv4.ip_forward": "1"}))
    assert remembered(node) == {"net.ipv4.ip_forward": "0"}
    asyncio.run(change(links, node, {"net.ipv4.ip_forward": "1"}))
    assert (remembered(node), links.sysctls["net.ipv4.ip_forward"]) == ({"net.ipv4.ip_forward": "0"}, "1")


def test_where_the_former_values_cannot_be_kept_nothing_is_changed_and_the_file_is_named(tmp_path: Path) -> None:
    links = FakeLinks()
    before = dict(links.sysctls)
    with no_room(tmp_path), pytest.raises(DriverError, match=r"sysctls\.json: File too large: .*net\.ipv4\.ip_forward"):
        asyncio.run(change(links, NodeDir(tmp_path), {"net.ipv4.ip_forward": "1"}))
    assert links.sysctls == before
    asyncio.run(change(links, NodeDir(tmp_path), {"net.ipv4.ip_forward": "1"}))
    assert links.sysctls["net.ipv4.ip_forward"] == "1"
    assert remembered(NodeDir(tmp_path)) == {"net.ipv4.ip_forward": before["net.ipv4.ip_forward"]}
