"""One node out of the kernel; what could not be removed is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.base.paths import NodeDir
from tandem.base.problems import DriverError
from tandem.drivers.dns.wildcards import file_of
from tandem.drivers.firewall.port import Found
from tandem.runtime import node_teardown


class Stuck:
    """A driver that removes nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def remove(self) -> None:
        raise DriverError("nft: no permission")

    def read(self) -> Found:
        raise DriverError("iptables: no permission")

    async def sweep(self) -> None:
        raise DriverError("netlink: no permission")


def test_one_part_that_cannot_be_removed_does_not_keep_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_teardown, "Libnftables", Stuck)
    monkeypatch.setattr(node_teardown, "KernelLinks", Stuck)
    monkeypatch.setattr(node_teardown, "Iptables", Stuck)
    assert list(node_teardown.remove_from_kernel(NodeDir(tmp_path))) == [
        "left: nftables table: nft: no permission",
        "left: rules in chains of others: iptables: no permission",
        "left: links: netlink: no permission",
    ]


def test_a_node_without_a_directory_has_no_pods_to_end(tmp_path: Path) -> None:
    assert not [line for line in node_teardown.end_pods(NodeDir(tmp_path / "none")) if "left: " in line]


def test_the_file_of_wildcards_goes_also_where_the_directory_is_lost(tmp_path: Path) -> None:
    lost = NodeDir(tmp_path / "lost")
    file_of(lost).touch()
    list(node_teardown.end_pods(lost))
    assert not file_of(lost).exists()


class Removed(Stuck):
    """A driver that removes."""

    def remove(self) -> None:
        pass


async def two_things(*_: object) -> int:
    return 2


def test_what_a_setting_was_and_nobody_knows_any_more_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_teardown, "Libnftables", Removed)
    monkeypatch.setattr(node_teardown, "_sweep", two_things)
    (tmp_path / "sysctls.json").write_text('{"net.netfilter.nf_conntrack_tcp_be_liberal": "0"}')
    told = list(node_teardown.remove_from_kernel(NodeDir(tmp_path)))
    assert [line for line in told if "net.ipv4.ip_forward stays as it is" in line]
    (tmp_path / "sysctls.json").write_text('{"net.ipv4.ip_forward": "0"}')
    assert not [line for line in node_teardown.remove_from_kernel(NodeDir(tmp_path)) if "stays as it is" in line]
