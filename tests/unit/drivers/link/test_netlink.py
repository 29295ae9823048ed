"""A socket of rtnetlink on the kernel of the machine."""

from __future__ import annotations

import errno

import pytest

from tandem.drivers.link import rtnl
from tandem.drivers.link.netlink import RefusedError, Rtnl


def test_a_dump_finds_the_loopback_interface() -> None:
    sock = Rtnl()
    names = {attrs[rtnl.IFLA_IFNAME] for _, attrs in sock.dump(rtnl.GETLINK, rtnl.LINK)}
    sock.close()
    assert b"lo\0" in names


def test_a_link_is_found_by_its_name_as_by_its_index() -> None:
    sock = Rtnl()
    found = sock.named("lo")
    assert found is not None
    assert sock.link(found[0][2]) == found
    assert sock.named("td-none-such") is None
    sock.close()


def test_a_refused_message_is_named_and_can_be_ignored() -> None:
    sock = Rtnl()
    batch = [rtnl.del_link("td-none-such"), rtnl.del_link("td-none-too")]
    with pytest.raises(RefusedError, match="remove link td-none-such: No such device") as caught:
        sock.batch(batch)
    assert caught.value.errno == errno.ENODEV
    sock.batch(batch, ignore=frozenset({errno.ENODEV}))
    sock.batch([])
    sock.close()
