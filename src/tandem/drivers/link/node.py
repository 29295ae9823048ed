"""What a node has apart from pod links, in the kernel: NodeNet as it is, and the change to what is wanted."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tandem.base.addresses import EVERYTHING, IPV6, family
from tandem.drivers.link import devices, rtnl
from tandem.drivers.link.attributes import ip_of, number_of, own_address
from tandem.drivers.link.devices import Found
from tandem.drivers.link.netlink import Rtnl, refused
from tandem.drivers.link.plan_node import NodeDelta, plan_node
from tandem.drivers.link.rtnl import Message, RouteSpec
from tandem.state.links import NodeNet, Route
from tandem.state.ownership import BGP_METRIC, BGP_PROTOCOL, ROUTE_PROTOCOL

GONE: Final = frozenset({errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL})
UNREACHABLE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH})
"""What the kernel says of a next hop that is on no network of the node."""


def read_node(sock: Rtnl, wanted: NodeNet) -> NodeNet:
    """What carries our mark, without the host routes of pod links. Devices as far as `wanted` can be compared."""
    return _read(sock, devices.read_devices(sock, {d.name: d for d in wanted.devices}))


def _read(sock: Rtnl, found: Mapping[str, Found]) -> NodeNet:
    names = {f.index: name for name, f in found.items()}
    addresses = [
        own_address(attrs)
        for (_, _, _, _, index), attrs in sock.dump(rtnl.GETADDR, rtnl.ADDR)
        if index == rtnl.LOOPBACK_INDEX and attrs.get(rtnl.IFA_PROTO) == bytes([ROUTE_PROTOCOL])
    ]
    return NodeNet(
        addresses=tuple(sorted(addresses)),
        routes=tuple(sorted(_routes(sock, names))),
        devices=tuple(sorted(f.device for f in found.values())),
        on_devices=tuple(sorted(devices.read_addresses(sock, names) if names else ())),
        neighbours=tuple(sorted(devices.read_neighbours(sock, names) if names else ())),
        forwards=tuple(sorted(devices.read_forwards(sock, names) if names else ())),
    )


def _routes(sock: Rtnl, names: Mapping[int, str]) -> Iterable[Route]:
    for (af, bits, _, _, table, protocol, _, kind, flags), attrs in sock.dump(rtnl.GETROUTE, rtnl.ROUTE):
        dev = names.get(number_of(attrs, rtnl.RTA_OIF), "")
        is_pod = kind == rtnl.RTN_UNICAST and rtnl.RTA_GATEWAY not in attrs and not dev
        metric = number_of(attrs, rtnl.RTA_PRIORITY)
        learnt = (protocol, metric) == (BGP_PROTOCOL, BGP_METRIC)
        if (protocol == ROUTE_PROTOCOL or learnt) and table == rtnl.MAIN_TABLE and (learnt or not is_pod):
            prefix = f"{ip_of(attrs, rtnl.RTA_DST)}/{bits}" if rtnl.RTA_DST in attrs else EVERYTHING[rtnl.VERSION[af]]
            yield Route(
                prefix=prefix,
                via=ip_of(attrs, rtnl.RTA_GATEWAY),
                dev=dev,
                onlink=bool(flags & rtnl.RTNH_F_ONLINK),
                source=ip_of(attrs, rtnl.RTA_PREFSRC),
                mtu=number_of(rtnl.attrs(attrs.get(rtnl.RTA_METRICS, b"")), rtnl.RTAX_MTU),
                metric=0 if metric == rtnl.DEFAULT_METRIC[rtnl.VERSION[af]] else metric,
                learnt=learnt,
            )


def apply_node(sock: Rtnl, wanted: NodeNet) -> tuple[str, ...]:
    """Make it so; returns a sentence for each route whose next hop is on no network of this node.

    What refuses a prefix comes first and goes last: a packet whose way is exchanged meets it, and not a route that
    leads elsewhere, in clear where the way is an encrypted tunnel.
    """
    found = devices.read_devices(sock, {d.name: d for d in wanted.devices})
    actual = _read(sock, found)
    delta = plan_node(actual, wanted)
    sock.batch([_route(r, {}, add=True) for r in delta.add_routes if r.refuses])
    _remove(sock, delta, {name: f.index for name, f in found.items()})
    sock.batch([rtnl.set_up(rtnl.LOOPBACK_INDEX)])
    sock.batch([rtnl.address(a, rtnl.LOOPBACK_INDEX, add=True) for a in delta.add_addresses])
    for device in delta.add_devices:
        sock.batch([devices.new_device(device)])
        sock.batch([devices.mark(device)])
    sock.batch([devices.set_mtu(d.name, d.mtu) for d in delta.set_devices])
    for device in (*delta.add_devices, *delta.set_devices):
        devices.write_settings(device)
    index = _indices(sock, wanted)
    sock.batch([rtnl.set_up(i) for i in index.values()])
    sock.batch([devices.address(a, index[a.dev], add=True) for a in delta.add_on_devices])
    sock.batch([devices.neighbour(n, index[n.dev], add=True) for n in delta.add_neighbours])
    sock.batch([devices.forward(f, index[f.dev], add=True) for f in delta.add_forwards])
    told = _add_routes(sock, [r for r in delta.add_routes if not r.refuses], index, before=actual.routes)
    sock.batch([_route(r, {}, add=False) for r in delta.del_routes if r.refuses], ignore=GONE)
    return told


def _remove(sock: Rtnl, delta: NodeDelta, index: Mapping[str, int]) -> None:
    sock.batch([rtnl.address(a, rtnl.LOOPBACK_INDEX, add=False) for a in delta.del_addresses], ignore=GONE)
    sock.batch([_route(r, index, add=False) for r in delta.del_routes if not r.refuses], ignore=GONE)
    sock.batch([devices.forward(f, index[f.dev], add=False) for f in delta.del_forwards], ignore=GONE)
    sock.batch([devices.neighbour(n, index[n.dev], add=False) for n in delta.del_neighbours], ignore=GONE)
    sock.batch([devices.address(a, index[a.dev], add=False) for a in delta.del_on_devices], ignore=GONE)
    sock.batch([rtnl.del_link(name) for name in delta.del_devices], ignore=GONE)


def _indices(sock: Rtnl, wanted: NodeNet) -> dict[str, int]:
    if not wanted.devices:
        return {}
    found = devices.read_devices(sock, {})
    return {d.name: found[d.name].index for d in wanted.devices}


def _add_routes(
    sock: Rtnl, routes: Iterable[Route], index: Mapping[str, int], *, before: Iterable[Route]
) -> tuple[str, ...]:
    old = {(r.prefix, r.metric): r for r in before}
    removals = [_route(r, index, add=False) for r in _in_the_way(routes, old)]
    by_message = {id(m): (m, r) for r in routes for m in [_route(r, index, add=True)]}
    told = []
    for message, code in sock.results([*removals, *(m for m, _ in by_message.values())]):
        if id(message) not in by_message:
            if code not in GONE:
                raise refused(message, code)
            continue
        route = by_message[id(message)][1]
        if code not in UNREACHABLE:
            raise refused(message, code)
        # The one that was there leads to where the prefix is no longer.
        sock.batch(
            [_route(r, index, add=False) for r in before if (r.prefix, r.metric) == (route.prefix, route.metric)],
            ignore=GONE,
        )
        told.append(f"no route to {route.prefix}: its next hop {route.via} is on no network of this node")
    return tuple(told)


def _in_the_way(routes: Iterable[Route], old: Mapping[tuple[str, int], Route]) -> Iterator[Route]:
    """IPv6 takes no next hop that a route leads to by another interface, and a node's own hop lies in its prefix.

    Such a route is not replaced but removed, in the same system call.
    """
    for route in routes:
        there = old.get((route.prefix, route.metric))
        if there is not None and family(route.prefix) == IPV6 and there.dev != route.dev and route.onlink:
            yield there


def _route(route: Route, index: Mapping[str, int], *, add: bool) -> Message:
    spec = RouteSpec(
        prefix=route.prefix,
        dev=index[route.dev] if route.dev else 0,
        via=route.via,
        source=route.source,
        type=rtnl.RTN_UNREACHABLE if route.refuses else rtnl.RTN_UNICAST,
        onlink=route.onlink,
        mtu=route.mtu,
        metric=route.metric,
        protocol=BGP_PROTOCOL if route.learnt else ROUTE_PROTOCOL,
    )
    return rtnl.route(spec, add=add)
