"""Addresses that follow from names and prefixes, so that every node knows them of every other without being told."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from tandem.base.addresses import family
from tandem.base.digest import digest


def node_address(pod_cidr: str) -> str:
    """The first address of a pod prefix: the node's own, never given to a pod."""
    return str(ipaddress.ip_network(pod_cidr)[1])


def own_addresses(pod_cidrs: Iterable[str]) -> dict[int, str]:
    """A node's own address in its first pod prefix of each family, by family."""
    found: dict[int, str] = {}
    for cidr in pod_cidrs:
        found.setdefault(family(cidr), node_address(cidr))
    return found


def mac_address(seed: str) -> str:
    """A locally administered unicast address (IEEE 802: second-lowest bit of the first octet set, lowest clear)."""
    octets = digest(seed, 10)
    return ":".join(["02", *(octets[i : i + 2] for i in range(0, 10, 2))])


def link_local(mac: str) -> str:
    """The link-local address of IPv6 that belongs to a MAC address (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + identifier))
