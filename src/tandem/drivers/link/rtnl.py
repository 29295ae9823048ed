"""rtnetlink: requests and attributes as bytes. Links, IPv4, IPv6. `netlink.py` sends them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tandem.base.addresses import FAMILIES, HOST_BITS, IPV4, family
from tandem.base.netlink import attribute, attributes
from tandem.state.ownership import ROUTE_PROTOCOL

NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWADDR, DELADDR, GETADDR = 20, 21, 22
NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26
NEWNEIGH, DELNEIGH, GETNEIGH = 28, 29, 30
NEWRULE, DELRULE, GETRULE = 32, 33, 34

REQUEST, ACK, DUMP, REPLACE, EXCL, CREATE = 1, 4, 0x300, 0x100, 0x200, 0x400
IFF_UP: Final = 1
IFF_RUNNING: Final = 0x40
LOOPBACK_INDEX: Final = 1
RTN_UNICAST, RTN_LOCAL, RTN_UNREACHABLE = 1, 2, 7
SCOPE_GLOBAL, SCOPE_LINK, SCOPE_HOST, SCOPE_NOWHERE = 0, 253, 254, 255
MAIN_TABLE: Final = 254
DEFAULT_METRIC: Final = {4: 0, 6: 1024}
"""What the kernel gives a route that asks for none, by family."""
NUD_PERMANENT: Final = 0x80
RULE_PRIORITY: Final = 116
NEWQDISC, GETQDISC = 36, 38
NEWNETCONF, DELNETCONF, GETNETCONF = 80, 81, 82
DONE, ERROR = 3, 2

IFLA_AF_SPEC, IFLA_GROUP = 26, 27
IFLA_INET_CONF, IPV4_DEVCONF_FORWARDING, IPV4_DEVCONF_RP_FILTER = 1, 1, 8
IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE = 8, 1
NETCONFA_IFINDEX, NETCONFA_RP_FILTER, NETCONFA_IFINDEX_ALL = 1, 3, -1
IFLA_QDISC, IFLA_MASTER = 6, 10
IFA_BROADCAST: Final = 4
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINKINFO, IFLA_IFALIAS, IFLA_NET_NS_FD = 1, 3, 4, 18, 20, 28
IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS, IFA_PROTO = 1, 2, 8, 11
# No duplicate address detection: the address is usable at once. No prefix route: the /128 is nobody else's.
IFA_F_NODAD, IFA_F_NOPREFIXROUTE = 0x02, 0x200
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_METRICS, RTA_TABLE = 1, 4, 5, 6, 7, 8, 15
RTA_MULTIPATH: Final = 9
RTAX_MTU: Final = 2
RTNH_F_ONLINK: Final = 4
NDA_DST, NDA_LLADDR, NDA_IFINDEX = 1, 2, 8
FRA_PRIORITY, FRA_FWMARK, FRA_TABLE, FRA_PROTOCOL = 6, 10, 15, 21

LINK: Final = struct.Struct("=BxHiII")
ADDR: Final = struct.Struct("=BBBBi")
ROUTE: Final = struct.Struct("=BBBBBBBBI")
NEXT_HOP: Final = struct.Struct("=HBBi")
"""Length with all that follows, flags, weight, link (rtnexthop of linux/rtnetlink.h)."""
NEIGH: Final = struct.Struct("=BxxxiHBB")
QDISC: Final = struct.Struct("=BxxxiIII")

_IF_INET6: Final = Path("/proc/thread-self/net/if_inet6")
_AF: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
VERSION: Final = {int(number): version for version, number in _AF.items()}
"""4 or 6 by the family that a header carries."""

Attrs = Mapping[int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One request; `what` is how an error names it."""

    type: int
    body: bytes
    flags: int = 0
    what: str = ""


attr: Final = attribute


def attrs(data: bytes) -> dict[int, bytes]:
    """Attributes by type (flag bits cleared)."""
    return dict(attributes(data))


def mac_bytes(mac: str) -> bytes:
    """`02:00:…` as six bytes."""
    return bytes.fromhex(mac.replace(":", ""))


def af(text: str) -> int:
    """The address family of an address or prefix."""
    return int(_AF[family(text)])


def versions() -> tuple[int, ...]:
    """The families that this kernel has: it refuses to hear of another one."""
    return FAMILIES if _IF_INET6.exists() else (IPV4,)


def ip_bytes(address: str) -> bytes:
    """An address of either family as 4 or 16 bytes."""
    return socket.inet_pton(_AF[family(address)], address)


def ip_text(raw: bytes) -> str:
    """The other way round, in canonical form."""
    return socket.inet_ntop(socket.AF_INET6 if len(raw) == 16 else socket.AF_INET, raw)


def u32(value: int) -> bytes:
    """A number in the machine's byte order."""
    return struct.pack("=I", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a new veth pair."""

    name: str
    mac: str
    mtu: int

    def attributes(self) -> bytes:
        """Name, MAC address and MTU."""
        return (
            attr(IFLA_IFNAME, self.name.encode() + b"\0")
            + attr(IFLA_ADDRESS, mac_bytes(self.mac))
            + attr(IFLA_MTU, u32(self.mtu))
        )


def new_veth(host: End, peer: End, *, netns: int) -> Message:
    """A veth pair, both ends down, the peer born inside the namespace behind descriptor `netns`."""
    inner = LINK.pack(0, 0, 0, 0, 0) + peer.attributes() + attr(IFLA_NET_NS_FD, u32(netns))
    info = attr(IFLA_LINKINFO, attr(1, b"veth\0") + attr(2, attr(1, inner)))
    body = LINK.pack(0, 0, 0, 0, 0) + host.attributes() + info
    return Message(type=NEWLINK, flags=CREATE | EXCL, body=body, what=f"veth pair {host.name}, {peer.name}")


def set_alias(name: str, alias: str) -> Message:
    """Name a link's owner (rtnetlink takes no alias at creation)."""
    body = LINK.pack(0, 0, 0, 0, 0) + attr(IFLA_IFNAME, name.encode() + b"\0") + attr(IFLA_IFALIAS, alias.encode())
    return Message(type=NEWLINK, body=body, what=f"alias of {name}")


def no_path_check(index: int) -> Message:
    """`rp_filter` 0 of a link.

    By way of /proc/sys the kernel would look for the name `eth0` among those of all namespaces that there are.
    """
    conf = attr(IFLA_INET_CONF, attr(IPV4_DEVCONF_RP_FILTER, u32(0)))
    return _of_family(socket.AF_INET, conf, index, "", what="path check")


def forwarding_end(name: str) -> Message:
    """`rp_filter` 0 and `forwarding` 1 of a link, whatever new links of the namespace begin with."""
    conf = attr(IPV4_DEVCONF_RP_FILTER, u32(0)) + attr(IPV4_DEVCONF_FORWARDING, u32(1))
    return _of_family(socket.AF_INET, attr(IFLA_INET_CONF, conf), 0, name, what="path check and forwarding")


def no_ipv6_address(index: int, name: str = "") -> Message:
    """No address of IPv6 comes into being by itself on a link, which must be down still."""
    mode = attr(IFLA_INET6_ADDR_GEN_MODE, bytes([IN6_ADDR_GEN_MODE_NONE]))
    return _of_family(socket.AF_INET6, mode, index, name, what="addresses of IPv6")


def _of_family(af: int, settings: bytes, index: int, name: str, *, what: str) -> Message:
    body = LINK.pack(0, 0, index, 0, 0) + (attr(IFLA_IFNAME, name.encode() + b"\0") if name else b"")
    body += attr(IFLA_AF_SPEC, attr(af, settings))
    return Message(type=NEWLINK, body=body, what=f"{what} of link {name or index}")


def set_up(index: int) -> Message:
    """Bring a link up."""
    return Message(type=NEWLINK, body=LINK.pack(0, 0, index, IFF_UP, IFF_UP), what=f"bring up link {index}")


def set_hardware(index: int, mac: str, mtu: int) -> Message:
    """Set the MAC address, for which the kernel forgets every neighbour of the link, and the MTU."""
    body = LINK.pack(0, 0, index, 0, 0) + attr(IFLA_ADDRESS, mac_bytes(mac)) + attr(IFLA_MTU, u32(mtu))
    return Message(type=NEWLINK, body=body, what=f"MAC address and MTU of link {index}")


def set_master(name: str, index: int) -> Message:
    """Make a link a port of a bridge."""
    body = LINK.pack(0, 0, 0, 0, 0) + attr(IFLA_IFNAME, name.encode() + b"\0") + attr(IFLA_MASTER, u32(index))
    return Message(type=NEWLINK, body=body, what=f"port {name} of the bridge")


def set_down(index: int) -> Message:
    """Take a link down, which takes its routes."""
    return Message(type=NEWLINK, body=LINK.pack(0, 0, index, 0, IFF_UP), what=f"take down link {index}")


def rename(index: int, name: str) -> Message:
    """Give a link that is down another name."""
    body = LINK.pack(0, 0, index, 0, 0) + attr(IFLA_IFNAME, name.encode() + b"\0")
    return Message(type=NEWLINK, body=body, what=f"rename link {index} to {name}")


def set_group(name: str, group: int) -> Message:
    """Put a link into a group."""
    body = LINK.pack(0, 0, 0, 0, 0) + attr(IFLA_IFNAME, name.encode() + b"\0") + attr(IFLA_GROUP, u32(group))
    return Message(type=NEWLINK, body=body, what=f"group of {name}")


def del_group(group: int) -> Message:
    """Remove all links of a group (and their peers): the kernel waits once, not once a link."""
    return Message(type=DELLINK, body=LINK.pack(0, 0, 0, 0, 0) + attr(IFLA_GROUP, u32(group)), what="remove links")


def del_link(name: str) -> Message:
    """Remove a link (and its peer)."""
    body = LINK.pack(0, 0, 0, 0, 0) + attr(IFLA_IFNAME, name.encode() + b"\0")
    return Message(type=DELLINK, body=body, what=f"remove link {name}")


def address(address: str, index: int, *, add: bool) -> Message:
    """Add or remove a /32 or /128 of ours."""
    raw, version = ip_bytes(address), family(address)
    body = ADDR.pack(_AF[version], HOST_BITS[version], 0, SCOPE_GLOBAL, index)
    body += attr(IFA_LOCAL, raw) + attr(IFA_ADDRESS, raw)
    if add:
        body += attr(IFA_PROTO, bytes([ROUTE_PROTOCOL]))
        body += attr(IFA_FLAGS, u32(IFA_F_NODAD | IFA_F_NOPREFIXROUTE)) if version == 6 else b""
    flags = CREATE | EXCL if add else 0
    return Message(type=NEWADDR if add else DELADDR, flags=flags, body=body, what=f"address {address}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSpec:
    """One route of ours; its family is that of the prefix."""

    prefix: str
    dev: int = 0
    via: str = ""
    source: str = ""
    type: int = RTN_UNICAST
    table: int = MAIN_TABLE
    onlink: bool = False
    mtu: int = 0
    metric: int = 0
    protocol: int = ROUTE_PROTOCOL


def route(spec: RouteSpec, *, add: bool) -> Message:
    """Add (replacing one to the same prefix with the same metric) or remove a route."""
    network, _, bits = spec.prefix.partition("/")
    scope = SCOPE_GLOBAL if spec.via or spec.type == RTN_UNREACHABLE else SCOPE_LINK
    if spec.type == RTN_LOCAL:
        scope = SCOPE_HOST
    if not add:
        scope = SCOPE_NOWHERE  # any
    flag = RTNH_F_ONLINK if spec.onlink else 0
    body = ROUTE.pack(_AF[family(network)], int(bits), 0, 0, spec.table, spec.protocol, scope, spec.type, flag)
    if int(bits):
        body += attr(RTA_DST, ip_bytes(network))
    if spec.dev:
        body += attr(RTA_OIF, u32(spec.dev))
    if spec.via:
        body += attr(RTA_GATEWAY, ip_bytes(spec.via))
    if spec.metric:
        body += attr(RTA_PRIORITY, u32(spec.metric))
    if spec.source:
        body += attr(RTA_PREFSRC, ip_bytes(spec.source))
    if spec.mtu:
        body += attr(RTA_METRICS, attr(RTAX_MTU, u32(spec.mtu)))
    flags = CREATE | REPLACE if add else 0
    return Message(type=NEWROUTE if add else DELROUTE, flags=flags, body=body, what=f"route to {spec.prefix}")


def neighbour(address: str, mac: str, index: int) -> Message:
    """A permanent neighbour entry."""
    body = NEIGH.pack(_AF[family(address)], index, NUD_PERMANENT, 0, 0)
    body += attr(NDA_DST, ip_bytes(address)) + attr(NDA_LLADDR, mac_bytes(mac))
    return Message(type=NEWNEIGH, flags=CREATE | REPLACE, body=body, what=f"neighbour {address}")


def mark_rule(mark: int, table: int, *, version: int, add: bool) -> Message:
    """`ip [-6] rule fwmark MARK lookup TABLE`, with our protocol mark."""
    body = ROUTE.pack(_AF[version], 0, 0, 0, table, 0, 0, 1, 0)
    body += attr(FRA_PRIORITY, u32(RULE_PRIORITY)) + attr(FRA_FWMARK, u32(mark)) + attr(FRA_TABLE, u32(table))
    body += attr(FRA_PROTOCOL, bytes([ROUTE_PROTOCOL]))
    flags = CREATE | EXCL if add else 0
    return Message(
        type=NEWRULE if add else DELRULE, flags=flags, body=body, what=f"IPv{version} rule for mark {mark:#x}"
    )
