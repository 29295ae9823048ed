"""Dumps -> values, from a socket that answers what a kernel would."""

from __future__ import annotations

import socket
import struct
from typing import cast

from tandem.drivers.link import read, rtnl
from tandem.drivers.link.netlink import Rtnl
from tandem.state.ownership import ROUTE_PROTOCOL

Objects = list[tuple[tuple[int, ...], dict[int, bytes]]]


class Dumps:
    """Rtnl as far as reading needs it."""

    def __init__(self, **objects: Objects) -> None:
        self._objects = {getattr(rtnl, name): found for name, found in objects.items()}

    def dump(
        self, kind: int, header: struct.Struct, *, of: int = 0, asked: bytes = b"", by_kernel: bool = False
    ) -> Objects:
        del header, asked, by_kernel
        return [] if of else self._objects.get(kind, [])

    def named(self, name: str) -> None:
        """There is none."""


def sock(**objects: Objects) -> Rtnl:
    return cast("Rtnl", Dumps(**objects))


def link(
    index: int, name: str, *, mtu: int = 1500, up: bool = True, alias: str = ""
) -> tuple[tuple[int, ...], dict[int, bytes]]:
    attrs = {rtnl.IFLA_IFNAME: name.encode() + b"\0", rtnl.IFLA_MTU: rtnl.u32(mtu), rtnl.IFLA_ADDRESS: b"\2\0\0\0\0\1"}
    if alias:
        attrs[rtnl.IFLA_IFALIAS] = alias.encode() + b"\0"
    return (0, 0, index, int(up), 0), attrs


def route(
    dst: str, bits: int, *, table: int = 254, kind: int = 1, protocol: int = 116, **more: bytes
) -> tuple[tuple[int, ...], dict[int, bytes]]:
    attrs = {getattr(rtnl, name): value for name, value in more.items()}
    if bits:
        attrs[rtnl.RTA_DST] = socket.inet_aton(dst)
    return (2, bits, 0, 0, table, protocol, 0, kind, 0), attrs


def test_only_our_links_are_found_with_their_container() -> None:
    found = read.owned_links(
        sock(
            GETLINK=[link(2, "eth0"), link(4, "td0123456789a", alias="tandem:n:c1"), link(3, "x", alias="tandem:n:c2")]
        )
    )
    assert [(f.index, f.name, f.container_id) for f in found] == [(4, "td0123456789a", "c1"), (3, "x", "c2")]


def test_the_default_route_s_interface_gives_the_mtu() -> None:
    links = [link(2, "a", mtu=1300), link(3, "b", mtu=9000)]
    routes = [route("0.0.0.0", 0, protocol=3, RTA_OIF=rtnl.u32(3))]
    assert read.underlay_mtu(sock(GETLINK=links, GETROUTE=routes)) == 9000


def test_without_a_default_route_the_smallest_link_that_is_up_and_not_ours_counts() -> None:
    links = [link(2, "a", mtu=1400), link(3, "b", mtu=1300, up=False), link(4, "td0123456789a", mtu=1200)]
    assert read.underlay_mtu(sock(GETLINK=links)) == 1400
    assert read.underlay_mtu(sock()) == 1500


def test_a_default_route_of_another_table_does_not_count() -> None:
    links = [link(2, "a", mtu=1300), link(3, "b", mtu=1200)]
    routes = [route("0.0.0.0", 0, table=116, RTA_OIF=rtnl.u32(2))]
    assert read.underlay_mtu(sock(GETLINK=links, GETROUTE=routes)) == 1200


def test_the_interface_with_the_nodes_address_counts_before_the_default_route() -> None:
    links = [link(2, "a", mtu=1300), link(3, "b", mtu=9000)]
    routes = [route("0.0.0.0", 0, protocol=3, RTA_OIF=rtnl.u32(3))]
    addresses: Objects = [((2, 24, 0, 0, 2), {rtnl.IFA_LOCAL: socket.inet_aton("192.0.2.1")})]
    dumps = sock(GETLINK=links, GETROUTE=routes, GETADDR=addresses)
    assert [read.underlay_mtu(dumps, a) for a in ("192.0.2.1", "192.0.2.9", "")] == [1300, 9000, 9000]


def test_a_default_route_may_have_an_mtu_of_its_own() -> None:
    metrics = rtnl.attr(rtnl.RTAX_MTU, rtnl.u32(1400))
    routes = [route("0.0.0.0", 0, protocol=3, RTA_OIF=rtnl.u32(3), RTA_METRICS=metrics)]
    assert read.underlay_mtu(sock(GETLINK=[link(3, "b", mtu=9000)], GETROUTE=routes)) == 1400


def test_an_end_that_is_not_there_is_none() -> None:
    assert read.end(sock(GETLINK=[link(1, "lo")]), "eth0") is None


def test_marks_and_local_tables_are_those_of_our_table() -> None:
    rules: Objects = [
        ((2, 0, 0, 0, 116, 0, 0, 1, 0), {rtnl.FRA_FWMARK: rtnl.u32(7), rtnl.FRA_TABLE: rtnl.u32(116)}),
        ((2, 0, 0, 0, 9, 0, 0, 1, 0), {rtnl.FRA_FWMARK: rtnl.u32(8), rtnl.FRA_TABLE: rtnl.u32(9)}),
        ((2, 0, 0, 0, 116, 0, 0, 1, 0), {rtnl.FRA_TABLE: rtnl.u32(116)}),
    ]
    local = route("0.0.0.0", 0, table=116, kind=rtnl.RTN_LOCAL, RTA_TABLE=rtnl.u32(116))
    elsewhere = route("0.0.0.0", 0, table=9, kind=rtnl.RTN_LOCAL, RTA_TABLE=rtnl.u32(9))
    assert read.marks(sock(GETRULE=rules)) == {(4, 7)}
    assert read.local_defaults(sock(GETROUTE=[local])) == {4}
    assert not read.local_defaults(sock(GETROUTE=[elsewhere]))


def test_a_route_of_ours_carries_our_protocol() -> None:
    theirs, ours = (route("10.0.0.0", 8, protocol=p, RTA_OIF=rtnl.u32(3)) for p in (3, ROUTE_PROTOCOL))
    assert read.has_routes_of_ours(sock(GETROUTE=[theirs, ours]))
    assert not read.has_routes_of_ours(sock(GETROUTE=[theirs]))
