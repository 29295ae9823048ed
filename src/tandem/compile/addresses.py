"""Addresses that follow from names and prefixes, so that every node knows them of every other without being told."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from tandem.base.addresses import FAMILIES, IPV4, family
from tandem.base.digest import digest


@lru_cache(maxsize=1 << 12)
def node_address(pod_cidr: str) -> str:
    """The first address of a pod prefix: the node's own, never given to a pod. Remembered: each view asks for many."""
    return str(ipaddress.ip_network(pod_cidr)[1])


def own_addresses(pod_cidrs: Iterable[str]) -> dict[int, str]:
    """A node's own address in its first pod prefix of each family, by family."""
    found: dict[int, str] = {}
    for cidr in pod_cidrs:
        found.setdefault(family(cidr), node_address(cidr))
    return found


def edge_source(service_cidrs: Iterable[str], version: int) -> str:
    """Where gateways come from, as pods of their own node see it: the last address of the network of Services.

    No Service and no gateway is given it, and no link has it: answers find back by the connection they belong to.
    """
    networks = (ipaddress.ip_network(cidr) for cidr in service_cidrs)
    found = next((n for n in networks if n.version == version), None)
    if found is None:
        return ""
    kind = ipaddress.IPv4Address if version == IPV4 else ipaddress.IPv6Address
    return str(kind(int(found.broadcast_address) - (version == IPV4)))


def edge_sources(service_cidrs: tuple[str, ...]) -> frozenset[str]:
    """The same of every family that there is."""
    return frozenset(edge_source(service_cidrs, version) for version in FAMILIES) - {""}


def mac_address(seed: str) -> str:
    """A locally administered unicast address (IEEE 802: second-lowest bit of the first octet set, lowest clear)."""
    octets = digest(seed, 10)
    return ":".join(["02", *(octets[i : i + 2] for i in range(0, 10, 2))])


def link_local(mac: str) -> str:
    """The link-local address of IPv6 that belongs to a MAC address (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + identifier))
