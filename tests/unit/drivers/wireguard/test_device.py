"""Names of devices, and a machine without TUN; devices themselves are in tests/contract/test_wireguard.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.drivers.link.devices import owns_device
from tandem.drivers.link.plan import owns
from tandem.drivers.wireguard import device
from tandem.drivers.wireguard.port import WireguardError
from tandem.state.ownership import WIREGUARD_ALIAS


def test_nodes_of_one_machine_have_devices_of_different_names() -> None:
    names = {device.name_for(Path(f"/run/{where}/nodes/{node}")) for where in "ab" for node in ("n1", "n2")}
    assert len(names) == 4
    assert all(len(name) <= 15 for name in names)


def test_the_device_is_no_pods_link_and_no_fabrics_device() -> None:
    name = device.name_for(Path("/run/tandem/nodes/node-1"))
    for alias in ("", f"{WIREGUARD_ALIAS}tun"):
        assert not owns(name, alias)
        assert not owns_device(name, alias)
        assert not name.startswith("td")  # policy takes what begins so for the link of a pod


def test_a_machine_with_neither_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "CLONE", tmp_path / "tun")
    with pytest.raises(WireguardError, match=r"the kernel has no WireGuard, and .*tun cannot be opened: No such file"):
        device._make_tun("wgtdtest")
