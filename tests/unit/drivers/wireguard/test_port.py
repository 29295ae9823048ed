"""All implementations satisfy the protocol as mypy sees it; what there is nothing of is false."""

from __future__ import annotations

from pathlib import Path

from tandem.drivers.wireguard.fake import FakeWireguard
from tandem.drivers.wireguard.kernel import KernelWireguard
from tandem.drivers.wireguard.port import Delta, WireguardDriver
from tandem.drivers.wireguard.uapi import Uapi
from unit.drivers.wireguard.cases import KEY, OTHER


def test_kernel_go_and_fake_are_drivers(tmp_path: Path) -> None:
    drivers: list[WireguardDriver] = [FakeWireguard(), Uapi(tmp_path / "s"), KernelWireguard("wg0")]
    assert len(drivers) == 3


def test_any_part_makes_a_change() -> None:
    assert not Delta()
    assert all((Delta(key=KEY), Delta(port=0), Delta(remove=("k",)), Delta(put=(OTHER,))))
