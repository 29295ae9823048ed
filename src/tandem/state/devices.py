"""Network devices of a node that are no pod's link, and what they are told instead of asking the network.

Addresses are text of either family; prefixes are `address/length`; MAC addresses are lower case with colons.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Device:
    """A device that the kernel makes: its kind as `ip link add … type KIND` takes it, and the options of that kind."""

    name: str
    kind: str
    mtu: int
    mac: str = ""
    """Empty: the kernel chooses."""
    options: tuple[tuple[str, int | str], ...] = ()
    """Sorted; the names are those of `drivers/link/kinds.py`. A device whose options change is made anew."""
    settings: tuple[tuple[str, str, str], ...] = ()
    """(`ipv4` or `ipv6`, name, value) below /proc/sys/net/FAMILY/conf/DEVICE."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class DeviceAddress:
    """An address of the node on a device."""

    dev: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Neighbour:
    """A permanent neighbour entry: the device never asks (ARP, NDP) for this address."""

    dev: str
    address: str
    mac: str
    """Empty: it is asked for the address, and answers with its own MAC address (proxy ARP, RFC 1027; RFC 4389)."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Forward:
    """A permanent forwarding entry (FDB) of a tunnel device: frames to `mac` go to the node at `to`."""

    dev: str
    mac: str
    to: str
