from __future__ import annotations

from tandem.drivers.announce.plan import Link, Placed, place

ETH0 = Link(index=2, name="eth0", mac=b"\0" * 6, subnets=("192.0.2.7/24", "2001:db8::7/64"))
ETH1 = Link(index=3, name="eth1", mac=b"\1" * 6, subnets=("192.0.2.130/25",))


def test_an_address_belongs_on_every_link_in_whose_subnet_it_lies() -> None:
    found = place(["192.0.2.65", "192.0.2.200", "2001:db8::65"], [ETH0, ETH1])
    assert found.wanted == {
        Placed(link=2, address="192.0.2.65"),
        Placed(link=2, address="192.0.2.200"),
        Placed(link=3, address="192.0.2.200"),
        Placed(link=2, address="2001:db8::65"),
    }
    assert not found.nowhere


def test_an_address_in_no_subnet_is_nowhere() -> None:
    found = place(["198.51.100.1", "2001:db8:1::1"], [ETH0])
    assert not found.wanted
    assert found.nowhere == {"198.51.100.1", "2001:db8:1::1"}
