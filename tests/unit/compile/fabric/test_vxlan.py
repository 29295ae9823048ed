"""Fabric `vxlan`."""

from __future__ import annotations

import msgspec

from tandem.compile.addresses import link_local, mac_address
from tandem.compile.fabric.vxlan import VXLAN
from tandem.ir.network import Network, Vxlan
from tandem.state.devices import DeviceAddress, Forward, Neighbour
from tandem.state.links import NodeNet, Route
from unit.compile.fabric.fabricviews import node, view

NETWORK = Network(fabric="vxlan", vxlan=Vxlan(vni=7, port=8472))


def test_both_sides_know_each_others_tunnel_ends_without_being_told() -> None:
    mine = VXLAN.between(view(node(2), network=NETWORK), 1450)
    own = msgspec.structs.replace(view(node(2), network=NETWORK), node=node(2))
    theirs = VXLAN.between(own, 1450)
    assert mine.forwards == (Forward(dev="tandem-vx", mac=theirs.devices[0].mac, to="192.0.2.2"),)
    assert theirs.forwards == (Forward(dev="tandem-vx", mac=mine.devices[0].mac, to="192.0.2.1"),)
    assert mine.neighbours == (Neighbour(dev="tandem-vx", address="10.244.2.1", mac=theirs.devices[0].mac),)


def test_the_device_learns_nothing_and_never_lets_the_underlay_fragment() -> None:
    device = VXLAN.between(view(network=NETWORK), 1450).devices[0]
    assert (device.mtu, dict(device.options)) == (
        1450,
        {"df": 1, "dstport": 8472, "id": 7, "learning": 0, "local": "192.0.2.1"},
    )


def test_every_prefix_of_a_node_goes_through_the_tunnel_and_what_the_node_sends_comes_back_through_it() -> None:
    net = VXLAN.between(view(node(2, "192.0.2.2", "10.244.2.0/24", "10.244.9.0/26"), network=NETWORK), 1450)
    assert net.routes == tuple(
        Route(prefix=prefix, via="10.244.2.1", dev="tandem-vx", onlink=True, source="10.244.1.1")
        for prefix in ("10.244.2.0/24", "10.244.9.0/26")
    )
    assert net.on_devices == (DeviceAddress(dev="tandem-vx", prefix="10.244.1.1/32"),)


def test_a_node_that_comes_or_goes_changes_its_own_entries_alone() -> None:
    two = VXLAN.between(view(node(2), network=NETWORK), 1450)
    three = VXLAN.between(view(node(2), node(3), network=NETWORK), 1450)
    assert two.devices == three.devices
    for part in ("routes", "neighbours", "forwards"):
        assert set(getattr(three, part)) > set(getattr(two, part))
        assert len(getattr(three, part)) == len(getattr(two, part)) + 1


def test_an_underlay_of_ipv6_carries_pods_of_both_families() -> None:
    seen = view(node(2, "2001:db8::2", "10.244.2.0/24", "fd00:2::/64"), network=NETWORK)
    own = node(1, "2001:db8::1", "10.244.1.0/24", "fd00:1::/64")
    net = VXLAN.between(msgspec.structs.replace(seen, node=own), 1430)
    assert "df" not in dict(net.devices[0].options)
    assert [(r.prefix, r.via, r.source) for r in net.routes] == [
        ("10.244.2.0/24", "10.244.2.1", "10.244.1.1"),
        ("fd00:2::/64", link_local(mac_address("vtep/node-2")), "fd00:1::1"),
    ]
    assert [r.onlink for r in net.routes] == [True, False]


def test_a_node_of_another_family_of_underlay_cannot_be_reached() -> None:
    net = VXLAN.between(view(node(2, "2001:db8::2"), network=NETWORK), 1450)
    assert (net.routes, net.neighbours, net.forwards) == ((), (), ())


def test_a_node_without_an_address_has_no_tunnel() -> None:
    lost = msgspec.structs.replace(node(1), addresses=())
    assert VXLAN.between(msgspec.structs.replace(view(node(2)), node=lost), 1450) == NodeNet()


def test_what_it_adds_is_ip_udp_vxlan_and_ethernet() -> None:
    assert VXLAN.overhead == (20 + 8 + 8 + 14, 40 + 8 + 8 + 14)


def test_an_address_that_a_node_has_borrowed_is_behind_its_own_tunnel_end() -> None:
    borrower = msgspec.structs.replace(node(2), borrowed=("10.244.1.9",))
    routes = {r.prefix: r.via for r in VXLAN.between(view(borrower, network=NETWORK), 1450).routes}
    assert routes == {"10.244.2.0/24": "10.244.2.1", "10.244.1.9/32": "10.244.2.1"}
