"""Devices of a fabric with their addresses, neighbour and forwarding entries: messages, and what the kernel has.

What is on a device goes with it, so the device's alias is the mark of all; routes and addresses carry theirs besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tandem.drivers.link import kinds, rtnl
from tandem.drivers.link.attributes import ip_of, number_of, own_address, text_of
from tandem.drivers.link.netlink import Rtnl
from tandem.drivers.link.rtnl import Attrs, Message
from tandem.state.devices import Device, DeviceAddress, Forward, Neighbour
from tandem.state.ownership import DEVICE_ALIAS, DEVICE_PREFIXES, ROUTE_PROTOCOL

CONF: Final = Path("/proc/sys/net")
AF_BRIDGE: Final = 7
NTF_SELF: Final = 0x02
NTF_PROXY: Final = 0x08
NUD_NOARP: Final = 0x40
INFO_KIND, INFO_DATA = 1, 2
DELNEIGH: Final = 29
IPV4_BYTES: Final = 4
SMALLEST_NETWORK: Final = 31
"""A /31 and a /32 of IPv4 have no broadcast address (RFC 3021)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A device of ours in the kernel: its index, and the Device that it is as far as the wanted one can be compared."""

    index: int
    device: Device


def owns_device(name: str, alias: str) -> bool:
    """True for a device of a fabric of ours. The name counts as well: a kill can fall between creation and alias."""
    return alias.startswith(DEVICE_ALIAS) or (not alias and name.startswith(DEVICE_PREFIXES))


def read_devices(sock: Rtnl, wanted: Mapping[str, Device]) -> dict[str, Found]:
    """Our devices by name; of options and settings those that the wanted device of that name has."""
    found = {}
    for (_, _, index, _, _), attrs in sock.dump(rtnl.GETLINK, rtnl.LINK):
        name, alias = (text_of(attrs, kind) for kind in (rtnl.IFLA_IFNAME, rtnl.IFLA_IFALIAS))
        if owns_device(name, alias):
            found[name] = Found(index=index, device=_device(name, attrs, wanted.get(name)))
    return found


def _device(name: str, attrs: Attrs, wanted: Device | None) -> Device:
    info = rtnl.attrs(attrs.get(rtnl.IFLA_LINKINFO, b""))
    kind = info.get(INFO_KIND, b"").rstrip(b"\0").decode()
    mac = attrs.get(rtnl.IFLA_ADDRESS, b"").hex(":")
    same = wanted is not None and wanted.kind == kind
    asked = tuple(option for option, _ in wanted.options) if wanted is not None and same else ()
    settings = wanted.settings if wanted is not None else ()
    return Device(
        name=name,
        kind=kind,
        mtu=number_of(attrs, rtnl.IFLA_MTU),
        mac=mac if wanted is None or wanted.mac else "",
        options=kinds.decode(kind, rtnl.attrs(info.get(INFO_DATA, b"")), asked),
        settings=tuple((version, setting, _setting(name, version, setting)) for version, setting, _ in settings),
    )


def _setting(dev: str, version: str, name: str) -> str:
    path = CONF / version / "conf" / dev / name
    return path.read_text().strip() if path.exists() else ""


def write_settings(device: Device) -> None:
    """The settings of a device; a kernel without IPv6 has no files for it."""
    for version, name, value in device.settings:
        path = CONF / version / "conf" / device.name / name
        if path.exists():
            path.write_text(value)


def new_device(device: Device) -> Message:
    """A device, down and without its alias."""
    body = rtnl.LINK.pack(0, 0, 0, 0, 0) + rtnl.attr(rtnl.IFLA_IFNAME, device.name.encode() + b"\0")
    body += rtnl.attr(rtnl.IFLA_MTU, rtnl.u32(device.mtu))
    if device.mac:
        body += rtnl.attr(rtnl.IFLA_ADDRESS, rtnl.mac_bytes(device.mac))
    data = kinds.encode(device.kind, device.options)
    info = rtnl.attr(INFO_KIND, device.kind.encode() + b"\0") + (rtnl.attr(INFO_DATA, data) if data else b"")
    body += rtnl.attr(rtnl.IFLA_LINKINFO, info)
    what = f"device {device.name} of kind {device.kind}"
    return Message(type=rtnl.NEWLINK, flags=rtnl.CREATE | rtnl.EXCL, body=body, what=what)


def mark(device: Device) -> Message:
    """The alias that says whose the device is."""
    return rtnl.set_alias(device.name, f"{DEVICE_ALIAS}{device.kind}")


def set_mtu(name: str, mtu: int) -> Message:
    """Another MTU for a device that is there."""
    body = rtnl.LINK.pack(0, 0, 0, 0, 0) + rtnl.attr(rtnl.IFLA_IFNAME, name.encode() + b"\0")
    return Message(type=rtnl.NEWLINK, body=body + rtnl.attr(rtnl.IFLA_MTU, rtnl.u32(mtu)), what=f"MTU {mtu} of {name}")


def address(entry: DeviceAddress, index: int, *, add: bool) -> Message:
    """Add or remove an address of ours on a device, with the network that it belongs to."""
    text, _, bits = entry.prefix.partition("/")
    raw = rtnl.ip_bytes(text)
    body = rtnl.ADDR.pack(rtnl.af(text), int(bits), 0, rtnl.SCOPE_GLOBAL, index)
    body += rtnl.attr(rtnl.IFA_LOCAL, raw) + rtnl.attr(rtnl.IFA_ADDRESS, raw)
    if add and len(raw) == IPV4_BYTES and int(bits) < SMALLEST_NETWORK:
        broadcast = int.from_bytes(raw, "big") | (0xFFFFFFFF >> int(bits))
        body += rtnl.attr(rtnl.IFA_BROADCAST, broadcast.to_bytes(IPV4_BYTES, "big"))
    if add:
        body += rtnl.attr(rtnl.IFA_PROTO, bytes([ROUTE_PROTOCOL]))
        body += rtnl.attr(rtnl.IFA_FLAGS, rtnl.u32(rtnl.IFA_F_NODAD)) if rtnl.af(text) == rtnl.af("::") else b""
    flags = rtnl.CREATE | rtnl.EXCL if add else 0
    kind = rtnl.NEWADDR if add else rtnl.DELADDR
    return Message(type=kind, flags=flags, body=body, what=f"address {entry.prefix} on {entry.dev}")


def neighbour(entry: Neighbour, index: int, *, add: bool) -> Message:
    """Add (replacing one for the same address) or remove a permanent neighbour entry."""
    if add and entry.mac:
        return rtnl.neighbour(entry.address, entry.mac, index)
    body = rtnl.NEIGH.pack(rtnl.af(entry.address), index, 0, 0 if entry.mac else NTF_PROXY, 0)
    body += rtnl.attr(rtnl.NDA_DST, rtnl.ip_bytes(entry.address))
    kind, flags = (rtnl.NEWNEIGH, rtnl.CREATE | rtnl.REPLACE) if add else (DELNEIGH, 0)
    return Message(type=kind, flags=flags, body=body, what=f"neighbour {entry.address} on {entry.dev}")


def forward(entry: Forward, index: int, *, add: bool) -> Message:
    """Add (replacing one for the same MAC address) or remove a permanent forwarding entry of a tunnel."""
    state = rtnl.NUD_PERMANENT | NUD_NOARP
    body = rtnl.NEIGH.pack(AF_BRIDGE, index, state, NTF_SELF, 0)
    body += rtnl.attr(rtnl.NDA_LLADDR, rtnl.mac_bytes(entry.mac)) + rtnl.attr(rtnl.NDA_DST, rtnl.ip_bytes(entry.to))
    kind, flags = (rtnl.NEWNEIGH, rtnl.CREATE | rtnl.REPLACE) if add else (DELNEIGH, 0)
    return Message(type=kind, flags=flags, body=body, what=f"forwarding of {entry.mac} on {entry.dev}")


def read_addresses(sock: Rtnl, names: Mapping[int, str]) -> list[DeviceAddress]:
    """Addresses on the devices `names` (by index), but for those that the kernel made itself."""
    return [
        DeviceAddress(dev=names[index], prefix=f"{own_address(attrs)}/{bits}")
        for (_, bits, _, _, index), attrs in sock.dump(rtnl.GETADDR, rtnl.ADDR)
        if index in names and attrs.get(rtnl.IFA_PROTO) == bytes([ROUTE_PROTOCOL])
    ]


def read_neighbours(sock: Rtnl, names: Mapping[int, str]) -> list[Neighbour]:
    """Permanent neighbour entries on the devices, and those of addresses that the devices answer for."""
    permanent = [
        Neighbour(dev=names[index], address=ip_of(attrs, rtnl.NDA_DST), mac=attrs[rtnl.NDA_LLADDR].hex(":"))
        for (_, index, state, _, _), attrs in sock.dump(rtnl.GETNEIGH, rtnl.NEIGH)
        if index in names and state & rtnl.NUD_PERMANENT and rtnl.NDA_LLADDR in attrs
    ]
    asked = rtnl.NEIGH.pack(0, 0, 0, NTF_PROXY, 0)
    proxied = [
        Neighbour(dev=names[index], address=ip_of(attrs, rtnl.NDA_DST), mac="")
        for (_, index, _, flags, _), attrs in sock.dump(rtnl.GETNEIGH, rtnl.NEIGH, asked=asked)
        if index in names and flags & NTF_PROXY
    ]
    return [*permanent, *proxied]


def read_forwards(sock: Rtnl, names: Mapping[int, str]) -> list[Forward]:
    """Forwarding entries to other nodes on the devices."""
    return [
        Forward(dev=names[index], mac=attrs[rtnl.NDA_LLADDR].hex(":"), to=ip_of(attrs, rtnl.NDA_DST))
        for (_, index, _, _, _), attrs in sock.dump(rtnl.GETNEIGH, rtnl.NEIGH, of=AF_BRIDGE)
        if index in names and rtnl.NDA_DST in attrs and rtnl.NDA_LLADDR in attrs
    ]
