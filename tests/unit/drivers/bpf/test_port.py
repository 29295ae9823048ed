"""Both drivers satisfy the protocol as mypy sees it; what there is nothing of is false."""

from __future__ import annotations

from tandem.drivers.bpf.fake import FakeFastPath, FakeLinks
from tandem.drivers.bpf.port import Delta, FastPathDriver
from tandem.drivers.bpf.real import KernelFastPath
from tandem.state.fastpath import FastEnd

END = FastEnd(address="10.0.0.2", host_ifname="td1", mac="02:00:00:00:00:01")


def test_kernel_and_fake_are_drivers() -> None:
    drivers: list[FastPathDriver] = [FakeFastPath(FakeLinks()), KernelFastPath()]
    assert len(drivers) == 2


def test_any_part_makes_a_change() -> None:
    assert not Delta()
    assert all((Delta(put=(END,)), Delta(drop=(END,)), Delta(attach=("td1",)), Delta(detach=("td1",))))
