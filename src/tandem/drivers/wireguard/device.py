"""The device of the tunnel, its addresses and its routes, in the process's own network namespace.

A kernel with WireGuard has a kind of device for it. Without, it is a TUN device that outlives the process that serves
it: while nobody does, what is sent into it is dropped. Whoever removes the device takes the routes along.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import struct
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from tandem.base.addresses import family, host_prefix
from tandem.base.digest import digest
from tandem.drivers.link import devices, rtnl
from tandem.drivers.link.netlink import RefusedError, Rtnl
from tandem.drivers.link.rtnl import Attrs, Message, RouteSpec
from tandem.drivers.wireguard.port import WireguardError
from tandem.state.devices import DeviceAddress
from tandem.state.ownership import ROUTE_PROTOCOL, WIREGUARD_ALIAS, WIREGUARD_PREFIX
from tandem.state.wireguard import Tunnel

T = TypeVar("T")

KERNEL, TUN = "wireguard", "tun"
"""Kinds of device, as the kernel names them."""
CLONE: Final = Path("/dev/net/tun")
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
TUNSETIFF, TUNSETPERSIST = 0x400454CA, 0x400454CB
_REQUEST: Final = struct.Struct("16sH22x")
_GONE: Final = frozenset({errno.ENODEV, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENOENT})
_ADDR_GEN: Final = "/proc/sys/net/ipv6/conf/{name}/addr_gen_mode"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A device that is there."""

    kind: str
    new: bool


def name_for(node_dir: Path) -> str:
    """Of a node's device: 12 characters, of 15 allowed; unique on a machine, since all share one folder of sockets."""
    return f"{WIREGUARD_PREFIX}{digest(str(node_dir), 8)}"


async def make(name: str) -> Made:
    """Make the device unless it is there: the kernel's WireGuard if it has one, else a TUN device."""
    return await _run(lambda sock: _make(sock, name), f"device {name}")


async def shape(name: str, tunnel: Tunnel) -> None:
    """Give it MTU, addresses and routes, exactly these, and bring it up."""
    await _run(lambda sock: _shape(sock, name, tunnel), f"device {name}")


async def remove(name: str) -> None:
    """Fine if there is none."""
    await _run(lambda sock: sock.batch([rtnl.del_link(name)], ignore=_GONE), f"device {name}")


async def owned() -> tuple[str, ...]:
    """The devices of ours in this namespace, from the kernel alone."""
    return await _run(lambda sock: tuple(sorted(n for n, _, a in _links(sock) if _owns(n, a))), "devices")


async def _run(work: Callable[[Rtnl], T], what: str) -> T:
    def whole() -> T:
        with closing(Rtnl()) as sock:
            return work(sock)

    try:
        return await asyncio.to_thread(whole)
    except OSError as error:
        raise WireguardError(f"{what}: {error.strerror or error}") from error


def _owns(name: str, alias: str) -> bool:
    """The name counts as well: a kill can fall between creation and alias."""
    return alias.startswith(WIREGUARD_ALIAS) or (not alias and name.startswith(WIREGUARD_PREFIX))


def _links(sock: Rtnl) -> list[tuple[str, str, str]]:
    """(name, kind, alias) of every link."""
    found = []
    for _, attrs in sock.dump(rtnl.GETLINK, rtnl.LINK):
        info = rtnl.attrs(attrs.get(rtnl.IFLA_LINKINFO, b""))
        found.append((_text(attrs, rtnl.IFLA_IFNAME), _text(info, devices.INFO_KIND), _text(attrs, rtnl.IFLA_IFALIAS)))
    return found


def _make(sock: Rtnl, name: str) -> Made:
    kinds = {link: kind for link, kind, _ in _links(sock)}
    if name in kinds:
        if kinds[name] not in {KERNEL, TUN}:
            raise WireguardError(f"{name} is there already, and is no tunnel")
        return Made(kind=kinds[name], new=False)
    try:
        sock.batch([_new(name)])
        kind = KERNEL
    except RefusedError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        _make_tun(name)
        kind = TUN
    sock.batch([rtnl.set_alias(name, f"{WIREGUARD_ALIAS}{kind}")])
    setting = Path(_ADDR_GEN.format(name=name))
    if setting.exists():
        setting.write_text("1")  # no link-local address: there is nobody to speak to by it
    return Made(kind=kind, new=True)


def _new(name: str) -> Message:
    body = rtnl.LINK.pack(0, 0, 0, 0, 0) + rtnl.attr(rtnl.IFLA_IFNAME, name.encode() + b"\0")
    body += rtnl.attr(rtnl.IFLA_LINKINFO, rtnl.attr(devices.INFO_KIND, KERNEL.encode() + b"\0"))
    return Message(type=rtnl.NEWLINK, flags=rtnl.CREATE | rtnl.EXCL, body=body, what=f"device {name}")


def _make_tun(name: str) -> None:
    """A TUN device that stays when it is closed."""
    try:
        handle = os.open(CLONE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise WireguardError(f"the kernel has no WireGuard, and {CLONE} cannot be opened: {error.strerror}") from error
    try:
        fcntl.ioctl(handle, TUNSETIFF, _REQUEST.pack(name.encode(), IFF_TUN | IFF_NO_PI))
        fcntl.ioctl(handle, TUNSETPERSIST, 1)
    finally:
        os.close(handle)


def _shape(sock: Rtnl, name: str, tunnel: Tunnel) -> None:
    index = _index(sock, name)
    sock.batch([devices.set_mtu(name, tunnel.mtu), rtnl.set_up(index)])
    wanted = {DeviceAddress(dev=name, prefix=host_prefix(a)) for a in tunnel.addresses}
    actual = set(devices.read_addresses(sock, {index: name}))
    sock.batch([devices.address(a, index, add=False) for a in sorted(actual - wanted)], ignore=_GONE)
    sock.batch([devices.address(a, index, add=True) for a in sorted(wanted - actual)])
    sources = {family(address): address for address in tunnel.addresses}
    prefixes = {prefix for peer in tunnel.peers for prefix in peer.allowed}
    have = _routes(sock, index)
    sock.batch([rtnl.route(RouteSpec(prefix=p, dev=index), add=False) for p in sorted(have - prefixes)], ignore=_GONE)
    sock.batch(
        [
            rtnl.route(RouteSpec(prefix=p, dev=index, source=sources.get(family(p), "")), add=True)
            for p in sorted(prefixes - have)
        ]
    )


def _index(sock: Rtnl, name: str) -> int:
    for (_, _, index, _, _), attrs in sock.dump(rtnl.GETLINK, rtnl.LINK):
        if _text(attrs, rtnl.IFLA_IFNAME) == name:
            return index
    raise WireguardError(f"{name} is gone")


def _routes(sock: Rtnl, index: int) -> set[str]:
    """Prefixes of our routes into the device."""
    return {
        f"{rtnl.ip_text(attrs[rtnl.RTA_DST])}/{bits}"
        for (_, bits, _, _, table, protocol, _, _, _), attrs in sock.dump(rtnl.GETROUTE, rtnl.ROUTE)
        if (table, protocol) == (rtnl.MAIN_TABLE, ROUTE_PROTOCOL)
        and attrs.get(rtnl.RTA_OIF) == rtnl.u32(index)
        and rtnl.RTA_DST in attrs
    }


def _text(attrs: Attrs, kind: int) -> str:
    return attrs.get(kind, b"").rstrip(b"\0").decode(errors="replace")
