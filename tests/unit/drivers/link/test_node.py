"""NodeNet from dumps; that it is put into the kernel is shown by tests/contract/test_link_driver.py."""

from __future__ import annotations

import socket

from tandem.drivers.link import rtnl
from tandem.drivers.link.node import read_node
from tandem.state.links import NodeNet, Route
from unit.drivers.link.test_read import Objects, link, route, sock


def test_a_node_s_net_is_what_carries_our_mark_without_host_routes_of_pods() -> None:
    ours = {rtnl.IFA_LOCAL: socket.inet_aton("10.244.0.1"), rtnl.IFA_PROTO: b"\x74"}
    other = {rtnl.IFA_LOCAL: socket.inet_aton("127.0.0.1")}
    routes = [
        route("10.244.0.0", 24, kind=rtnl.RTN_UNREACHABLE),
        route("10.244.1.0", 24, RTA_GATEWAY=socket.inet_aton("192.0.2.2")),
        route("10.244.0.5", 32, RTA_OIF=rtnl.u32(5)),
        route("10.9.0.0", 24, protocol=3, RTA_GATEWAY=socket.inet_aton("192.0.2.2")),
    ]
    net = read_node(sock(GETADDR=[((2, 32, 0, 0, 1), ours), ((2, 8, 0, 0, 1), other)], GETROUTE=routes), NodeNet())
    assert net.addresses == ("10.244.0.1",)
    assert net.routes == (Route(prefix="10.244.0.0/24"), Route(prefix="10.244.1.0/24", via="192.0.2.2"))


def test_ipv6_has_its_address_where_ipv4_has_the_peer_s_and_a_default_route_of_its_own() -> None:
    own = socket.inet_pton(socket.AF_INET6, "fd00:10:244::1")
    via = socket.inet_pton(socket.AF_INET6, "fd00::2")
    addresses: Objects = [((10, 128, 0, 0, 1), {rtnl.IFA_ADDRESS: own, rtnl.IFA_PROTO: b"\x74"})]
    routes: Objects = [((10, 0, 0, 0, 254, 116, 0, 1, 0), {rtnl.RTA_GATEWAY: via})]
    net = read_node(sock(GETADDR=addresses, GETROUTE=routes), NodeNet())
    assert net.addresses == ("fd00:10:244::1",)
    assert net.routes == (Route(prefix="::/0", via="fd00::2"),)


def test_a_route_by_a_device_of_ours_is_no_route_of_a_pod() -> None:
    links = [link(7, "tandem-vx", alias="tandem-fabric:vxlan"), link(8, "tandem-ul", alias="tandem:underlay")]
    routes = [
        route("10.244.1.0", 24, RTA_OIF=rtnl.u32(7), RTA_METRICS=rtnl.attr(rtnl.RTAX_MTU, rtnl.u32(1400))),
        route("10.244.2.0", 24, RTA_OIF=rtnl.u32(8)),
    ]
    net = read_node(sock(GETLINK=links, GETROUTE=routes), NodeNet())
    assert net.routes == (Route(prefix="10.244.1.0/24", dev="tandem-vx", mtu=1400),)
    assert [d.name for d in net.devices] == ["tandem-vx"]
