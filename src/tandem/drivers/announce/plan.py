"""Links as they are and addresses as they should be -> what to put where. Pure.

An address belongs on every link in whose subnet it lies, as a /32 or /128: the kernel then answers ARP and neighbour
solicitations for it there, and on no other link of IPv6.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An Ethernet link that is up and no device of ours, with the subnets that others gave it."""

    index: int
    name: str
    mac: bytes
    subnets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Placed:
    """An address on a link."""

    link: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where each address belongs; `nowhere`: those in no subnet of any link."""

    wanted: frozenset[Placed]
    nowhere: frozenset[str]


def place(addresses: Iterable[str], links: Iterable[Link]) -> Placement:
    """Each address on its links."""
    known = [(link.index, ipaddress.ip_network(s, strict=False)) for link in links for s in link.subnets]
    wanted: set[Placed] = set()
    nowhere: set[str] = set()
    for address in addresses:
        parsed = ipaddress.ip_address(address)
        found = {index for index, subnet in known if parsed.version == subnet.version and parsed in subnet}
        wanted |= {Placed(link=index, address=address) for index in found}
        if not found:
            nowhere.add(address)
    return Placement(wanted=frozenset(wanted), nowhere=frozenset(nowhere))
