"""Devices are values: hashable, sorted by name."""

from __future__ import annotations

from tandem.state.devices import Device, Forward, Neighbour


def test_devices_sort_by_name() -> None:
    devices = [Device(name=name, kind="vxlan", mtu=1450) for name in ("b", "a")]
    assert [d.name for d in sorted(devices)] == ["a", "b"]


def test_equal_entries_are_one() -> None:
    assert len({Neighbour(dev="d", address="10.0.0.1", mac="02:00:00:00:00:01") for _ in range(2)}) == 1
    assert len({Forward(dev="d", mac="02:00:00:00:00:01", to="192.0.2.1") for _ in range(2)}) == 1
