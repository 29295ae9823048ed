"""The kernel's links, addresses, routes, neighbours and rules -> the values that `plan.py` compares."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tandem.base.addresses import EVERYTHING
from tandem.base.ids import ContainerId
from tandem.drivers.link import rtnl
from tandem.drivers.link.attributes import ip_of, number_of, own_address, text_of
from tandem.drivers.link.devices import owns_device
from tandem.drivers.link.netlink import Rtnl
from tandem.drivers.link.plan import End, container_of, owns
from tandem.drivers.link.rtnl import Attrs
from tandem.drivers.link.shaping import KIND, rate_of
from tandem.state.ownership import BGP_PROTOCOL, POD_ROUTE_TABLE, ROUTE_PROTOCOL

DEFAULT_MTU: Final = 1500
_BETWEEN_NODES: Final = frozenset({ROUTE_PROTOCOL, BGP_PROTOCOL})


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedLink:
    """A host end of ours."""

    index: int
    name: str
    container_id: ContainerId | None


def owned_links(sock: Rtnl) -> list[OwnedLink]:
    """Every host end of ours, by name."""
    found = []
    for (_, _, index, _, _), attrs in sock.dump(rtnl.GETLINK, rtnl.LINK):
        name, alias = text_of(attrs, rtnl.IFLA_IFNAME), text_of(attrs, rtnl.IFLA_IFALIAS)
        if owns(name, alias):
            found.append(OwnedLink(index=index, name=name, container_id=container_of(alias)))
    return sorted(found, key=lambda link: link.name)


def links(sock: Rtnl) -> list[tuple[str, int, bool]]:
    """(name, index, up) of every link."""
    return [
        (text_of(attrs, rtnl.IFLA_IFNAME), index, bool(flags & rtnl.IFF_UP))
        for (_, _, index, flags, _), attrs in sock.dump(rtnl.GETLINK, rtnl.LINK)
    ]


def addresses(sock: Rtnl) -> list[tuple[int, str]]:
    """(link index, address) of every address, whatever its prefix."""
    return [(index, own_address(attrs)) for (_, _, _, _, index), attrs in sock.dump(rtnl.GETADDR, rtnl.ADDR)]


def underlay_mtu(sock: Rtnl, address: str = "") -> int:
    """The MTU by which the node reaches the others: of the interface with its address, else of the default route's.

    A route may have one of its own. Without either, the smallest of the links that are up.
    """
    mtus, up = {}, []
    for (_, _, index, flags, _), attrs in sock.dump(rtnl.GETLINK, rtnl.LINK):
        mtus[index] = number_of(attrs, rtnl.IFLA_MTU)
        name, alias = text_of(attrs, rtnl.IFLA_IFNAME), text_of(attrs, rtnl.IFLA_IFALIAS)
        ours = owns(name, alias) or owns_device(name, alias)
        if flags & rtnl.IFF_UP and index != rtnl.LOOPBACK_INDEX and not ours:
            up.append(mtus[index])
    for (_, _, _, _, index), attrs in sock.dump(rtnl.GETADDR, rtnl.ADDR) if address else ():
        if own_address(attrs) == address and index != rtnl.LOOPBACK_INDEX:
            return mtus[index]
    for (_, bits, _, _, table, *_), attrs in sock.dump(rtnl.GETROUTE, rtnl.ROUTE):
        if not bits and table == rtnl.MAIN_TABLE and rtnl.RTA_OIF in attrs:
            own = number_of(rtnl.attrs(attrs.get(rtnl.RTA_METRICS, b"")), rtnl.RTAX_MTU)
            return own or mtus[number_of(attrs, rtnl.RTA_OIF)]
    return min(up, default=DEFAULT_MTU)


def outward(sock: Rtnl) -> tuple[str, ...]:
    """By which packets of IPv4 come from others than pods of this node: links of default routes, and of routes of ours.

    A route of several ways counts for each.
    """
    found: set[int] = set()
    for (_, bits, _, _, table, protocol, *_), attrs in sock.dump(rtnl.GETROUTE, rtnl.ROUTE, of=socket.AF_INET):
        if table == rtnl.MAIN_TABLE and (not bits or protocol in _BETWEEN_NODES):
            found |= {number_of(attrs, rtnl.RTA_OIF)} if rtnl.RTA_OIF in attrs else set()
            found |= set(_hops(attrs.get(rtnl.RTA_MULTIPATH, b"")))
    ours = {link.name for link in owned_links(sock)}
    return tuple(sorted(name for name, index, _ in links(sock) if index in found and name not in ours))


def _hops(told: bytes) -> Iterator[int]:
    """The links of a route of several ways."""
    while len(told) >= rtnl.NEXT_HOP.size:
        length, _, _, index = rtnl.NEXT_HOP.unpack_from(told)
        yield index
        told = told[max(length, rtnl.NEXT_HOP.size) :]


def end(sock: Rtnl, name: str) -> End | None:
    """One interface with all that `differences` compares; None if there is none of that name.

    It costs the same with hundreds of links, and thousands of routes by others, beside it.
    """
    found = sock.named(name)
    if found is None:
        return None
    (_, _, index, flags, _), attrs = found
    return End(
        mac=attrs.get(rtnl.IFLA_ADDRESS, b"").hex(":"),
        mtu=number_of(attrs, rtnl.IFLA_MTU),
        up=bool(flags & rtnl.IFF_UP),
        prefixes=_prefixes(sock, index),
        master=_name(sock, number_of(attrs, rtnl.IFLA_MASTER)),
        neighbours=_neighbours(sock, index),
        routes=_routes(sock, index),
        rate=rate_of(sock, index) if text_of(attrs, rtnl.IFLA_QDISC) == KIND else 0,
    )


def marks(sock: Rtnl) -> frozenset[tuple[int, int]]:
    """(family, mark) of the rules that lead to POD_ROUTE_TABLE."""
    return frozenset(
        (rtnl.VERSION[af], number_of(attrs, rtnl.FRA_FWMARK))
        for (af, *_), attrs in sock.dump(rtnl.GETRULE, rtnl.ROUTE)
        if rtnl.FRA_FWMARK in attrs and number_of(attrs, rtnl.FRA_TABLE) == POD_ROUTE_TABLE
    )


def local_defaults(sock: Rtnl) -> frozenset[int]:
    """Families in which `local default` is in POD_ROUTE_TABLE."""
    return frozenset(
        rtnl.VERSION[af]
        for (af, bits, _, _, _, _, _, kind, _), attrs in sock.dump(rtnl.GETROUTE, rtnl.ROUTE)
        if kind == rtnl.RTN_LOCAL and not bits and number_of(attrs, rtnl.RTA_TABLE) == POD_ROUTE_TABLE
    )


def has_routes_of_ours(sock: Rtnl) -> bool:
    """Whether any route carries our protocol mark."""
    routes = sock.dump(rtnl.GETROUTE, rtnl.ROUTE)
    return any(protocol == ROUTE_PROTOCOL for (_, _, _, _, _, protocol, *_), _ in routes)


def _prefixes(sock: Rtnl, index: int) -> frozenset[str]:
    return frozenset(
        f"{own_address(attrs)}/{bits}"
        for (_, bits, _, _, _), attrs in sock.dump(
            rtnl.GETADDR, rtnl.ADDR, asked=rtnl.ADDR.pack(0, 0, 0, 0, index), by_kernel=True
        )
    )


def _name(sock: Rtnl, index: int) -> str:
    """Of an interface; empty: there is none, or it is in another namespace."""
    found = sock.link(index) if index else None
    return text_of(found[1], rtnl.IFLA_IFNAME) if found is not None else ""


def _neighbours(sock: Rtnl, index: int) -> frozenset[tuple[str, str]]:
    asked = rtnl.NEIGH.pack(0, 0, 0, 0, 0) + rtnl.attr(rtnl.NDA_IFINDEX, rtnl.u32(index))
    return frozenset(
        (ip_of(attrs, rtnl.NDA_DST), attrs.get(rtnl.NDA_LLADDR, b"").hex(":"))
        for (_, _, state, _, _), attrs in sock.dump(rtnl.GETNEIGH, rtnl.NEIGH, asked=asked, by_kernel=True)
        if state & rtnl.NUD_PERMANENT
    )


def _routes(sock: Rtnl, index: int) -> frozenset[tuple[str, str, str]]:
    asked = rtnl.ROUTE.pack(0, 0, 0, 0, rtnl.MAIN_TABLE, 0, 0, 0, 0) + rtnl.attr(rtnl.RTA_OIF, rtnl.u32(index))
    return frozenset(
        (_prefix(attrs, af, bits), ip_of(attrs, rtnl.RTA_GATEWAY), ip_of(attrs, rtnl.RTA_PREFSRC))
        for (af, bits, _, _, table, *_), attrs in sock.dump(rtnl.GETROUTE, rtnl.ROUTE, asked=asked, by_kernel=True)
        if table == rtnl.MAIN_TABLE
    )


def _prefix(attrs: Attrs, af: int, bits: int) -> str:
    destination = ip_of(attrs, rtnl.RTA_DST)
    return f"{destination}/{bits}" if destination else EVERYTHING[rtnl.VERSION[af]]
