"""Devices as messages, and which are ours."""

from __future__ import annotations

import pytest

from tandem.drivers.link import devices, rtnl
from tandem.drivers.link.devices import owns_device
from tandem.state.devices import Device, DeviceAddress, Forward


@pytest.mark.parametrize(
    ("name", "alias", "ours"),
    [
        ("vx9", "tandem-fabric:vxlan", True),
        ("tandem-vx", "", True),
        ("td-br", "", True),
        ("tandem-ul", "tandem:underlay", False),
        ("td0123456789a", "tandem:node-1:c1", False),
        ("td0123456789a", "", False),
        ("eth0", "", False),
    ],
)
def test_a_device_is_ours_by_its_alias_or_before_that_by_its_name(name: str, alias: str, *, ours: bool) -> None:
    assert owns_device(name, alias) is ours


def test_an_address_of_a_device_carries_our_mark() -> None:
    message = devices.address(DeviceAddress(dev="d", prefix="10.244.1.1/24"), 3, add=True)
    assert message.body[1] == 24
    assert rtnl.attrs(message.body[rtnl.ADDR.size :])[rtnl.IFA_PROTO] == bytes([116])


def test_a_forwarding_entry_is_permanent_and_leads_to_a_node() -> None:
    message = devices.forward(Forward(dev="d", mac="02:00:00:00:00:02", to="2001:db8::2"), 3, add=True)
    family, index, state, flags, _ = rtnl.NEIGH.unpack_from(message.body)
    assert (family, index, state & rtnl.NUD_PERMANENT, flags) == (7, 3, rtnl.NUD_PERMANENT, devices.NTF_SELF)
    assert len(rtnl.attrs(message.body[rtnl.NEIGH.size :])[rtnl.NDA_DST]) == 16


def test_a_kind_that_the_driver_does_not_know_is_our_own_mistake() -> None:
    with pytest.raises(KeyError):
        devices.new_device(Device(name="d", kind="no-such", mtu=1500))
