"""Attributes as values."""

from __future__ import annotations

from tandem.drivers.link import rtnl
from tandem.drivers.link.attributes import ip_of, number_of, own_address, text_of


def test_what_is_there_is_read() -> None:
    attrs = {1: rtnl.ip_bytes("192.0.2.1"), 2: rtnl.ip_bytes("2001:db8::1"), 3: rtnl.u32(1450), 4: b"eth0\0"}
    assert (ip_of(attrs, 1), ip_of(attrs, 2), number_of(attrs, 3), text_of(attrs, 4)) == (
        "192.0.2.1",
        "2001:db8::1",
        1450,
        "eth0",
    )


def test_what_is_not_there_is_empty() -> None:
    assert (ip_of({}, 1), number_of({}, 1), text_of({}, 1)) == ("", 0, "")


def test_an_interface_of_ipv6_has_its_own_address_where_ipv4_has_the_peers() -> None:
    ours, peer = rtnl.ip_bytes("192.0.2.1"), rtnl.ip_bytes("192.0.2.2")
    assert own_address({rtnl.IFA_LOCAL: ours, rtnl.IFA_ADDRESS: peer}) == "192.0.2.1"
    assert own_address({rtnl.IFA_ADDRESS: rtnl.ip_bytes("2001:db8::1")}) == "2001:db8::1"
