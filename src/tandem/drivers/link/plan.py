"""Desired and actual -> what to change, or what differs. Pure: the driver's decisions without the kernel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tandem.base.addresses import EVERYTHING, IPV4, IPV6, host_prefix
from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.state.links import PodLink
from tandem.state.ownership import LINK_ALIAS, LOCAL_MARKS, POD_ROUTE_TABLE

LEAST_MTU_IPV6: Final = 1280
"""RFC 8200, 5: below it the kernel takes IPv6 off a link."""
_HOST_IFNAME: Final = re.compile(r"td[0-9a-f]{11}")


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a link, as the kernel has it."""

    mac: str
    mtu: int
    up: bool
    neighbours: frozenset[tuple[str, str]] = frozenset()
    """(address, MAC address) of the permanent entries."""
    routes: frozenset[tuple[str, str, str]] = frozenset()
    """(prefix, next hop or "", source or "") of the main table."""
    prefixes: frozenset[str] = frozenset()
    """Addresses with the length of their prefixes."""
    master: str = ""
    """The bridge that this is a port of."""
    rate: int = 0
    """Bits a second that a token bucket lets out of this end; 0: no limit."""
    from_loopback: bool = False
    """Packets from and to 127.0.0.0/8 may be routed by this interface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actual:
    """A link as the kernel has it; None: that end is missing."""

    host: End | None = None
    pod: End | None = None
    marks: frozenset[tuple[int, int]] = frozenset()
    """(family, mark) of the rules in the pod that lead to our table."""
    local_tables: frozenset[int] = frozenset()
    """Families in which `local default dev lo` is in our table of the pod."""
    unmet: tuple[str, ...] = ()
    """Settings of links, in the pod and of the node, that have another value, one sentence each."""


def owns(name: str, alias: str) -> bool:
    """True for a host end of ours. The name counts as well: a kill can fall between creation and alias."""
    return alias.startswith(LINK_ALIAS) or _HOST_IFNAME.fullmatch(name) is not None


def container_of(alias: str) -> ContainerId | None:
    """The container behind an alias `tandem:<node>:<container id>`."""
    if not alias.startswith(LINK_ALIAS):
        return None
    return ContainerId(alias[len(LINK_ALIAS) :].partition(":")[2]) or None


def refuse_small(link: PodLink) -> None:
    """Raise DriverError for a link with IPv6 that is too small for it."""
    if IPV6 in link.versions and link.mtu < LEAST_MTU_IPV6:
        raise DriverError(f"a link with an MTU of {link.mtu} carries no IPv6: it needs {LEAST_MTU_IPV6}")


def differences(link: PodLink, actual: Actual) -> tuple[str, ...]:
    """One sentence for each thing that is not as it should be; what others added is no difference."""
    found: list[str] = []
    if actual.host is None:
        found.append(f"host interface {link.host_ifname} is missing")
    else:
        found += _host_end(link, actual.host)
    if actual.pod is None:
        found.append(f"interface {link.ifname} is missing in the pod")
        return tuple(found)
    found += _pod_end(link, actual.pod)
    found += undelivered(link.versions, actual.marks, actual.local_tables) if link.captured else ()
    return (*found, *actual.unmet)


def undelivered(
    versions: tuple[int, ...], marks: frozenset[tuple[int, int]], tables: frozenset[int]
) -> tuple[str, ...]:
    """What local delivery of these families lacks; `marks` and `tables` as in Actual."""
    rules = (
        f"the pod lacks the IPv{version} rule for mark {mark:#x} to table {POD_ROUTE_TABLE}"
        for version in versions
        for mark in LOCAL_MARKS
        if (version, mark) not in marks
    )
    routes = (
        f"the pod lacks the IPv{version} route 'local default dev lo' in table {POD_ROUTE_TABLE}"
        for version in versions
        if version not in tables
    )
    return (*rules, *routes)


def _host_end(link: PodLink, end: End) -> list[str]:
    found = _common(link.host_ifname, end, mac=link.host_mac, mtu=link.mtu)
    found += _rate(link.host_ifname, end, link.shaping.ingress_rate)
    if end.master != link.bridge:
        found.append(f"{link.host_ifname} is a port of {end.master or 'no bridge'}, not of {link.bridge or 'none'}")
    if link.from_loopback and not end.from_loopback:
        found.append(f"{link.host_ifname} lacks the setting route_localnet, which host ports on 127.0.0.1 need")
    for address in link.addresses:
        source = link.hop_of(address).source
        if (host_prefix(address), "", source) not in end.routes:
            found.append(f"the node lacks the route to {address} by {link.host_ifname} from {source}")
        if (address, link.mac) not in end.neighbours:
            found.append(f"{link.host_ifname} lacks the permanent neighbour {address} at {link.mac}")
    return found


def _pod_end(link: PodLink, end: End) -> list[str]:
    found = _common(link.ifname, end, mac=link.mac, mtu=link.mtu)
    found += _rate(link.ifname, end, link.shaping.egress_rate)
    wanted = [link.prefix_of(address) for address in link.addresses]
    found += [f"{link.ifname} lacks the address {prefix}" for prefix in wanted if prefix not in end.prefixes]
    for hop in link.hops:
        if not any(prefix == EVERYTHING[hop.version] and via == hop.gateway for prefix, via, _ in end.routes):
            found.append(f"the pod lacks the default route by {hop.gateway}")
        # A link-local next hop of IPv6 needs no route to it.
        if hop.version == IPV4 and not any(prefix == host_prefix(hop.gateway) for prefix, _, _ in end.routes):
            found.append(f"the pod lacks the route to its next hop {hop.gateway}")
        if (hop.gateway, link.host_mac) not in end.neighbours:
            found.append(f"{link.ifname} lacks the permanent neighbour {hop.gateway} at {link.host_mac}")
    return found


def _rate(name: str, end: End, wanted: int) -> list[str]:
    # The kernel keeps bytes a second. A limit where none was asked for is somebody else's.
    if not wanted or wanted // 8 == end.rate // 8:
        return []
    return [f"{name} is limited to {end.rate or 'no'} bit/s, not {wanted} bit/s"]


def _common(name: str, end: End, *, mac: str, mtu: int) -> list[str]:
    found = []
    if not end.up:
        found.append(f"{name} is down")
    if end.mac != mac:
        found.append(f"{name} has MAC address {end.mac}, not {mac}")
    if end.mtu != mtu:
        found.append(f"{name} has MTU {end.mtu}, not {mtu}")
    return found
