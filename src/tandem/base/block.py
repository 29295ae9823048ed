"""A prefix whose addresses are given to pods, as numbers: what is given out of it, and how an address is written. Pure.

Of a block the network address, the first (the node's own) and IPv4 broadcast are not given out; a prefix of one address
(`10.244.0.5/32`, borrowed from another node's block) is that address and nothing else.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tandem.base.addresses import IPV4, IPV6, family

NAMES: Final = {IPV4: "IPv4", IPV6: "IPv6"}
LARGEST: Final = 1 << 16
"""Addresses of one block that are used at most: of an IPv6 /64 those at its beginning."""


@dataclass(frozen=True, slots=True)
class Block:
    """One prefix; ValueError says what is wrong with it."""

    prefix: str

    def __post_init__(self) -> None:
        if self.size < 1:
            longest = 29 if self.family == IPV4 else 120
            raise ValueError(f"pod prefix {self.prefix}: no room for a pod; use /{longest} or shorter")

    @property
    def family(self) -> int:
        """4 or 6."""
        return _measured(self.prefix)[0]

    @property
    def low(self) -> int:
        """The first address that is given out, as a number."""
        return _measured(self.prefix)[1]

    @property
    def high(self) -> int:
        """The last one."""
        return _measured(self.prefix)[2]

    @property
    def size(self) -> int:
        """How many pods it has room for."""
        return max(0, self.high - self.low + 1)

    @property
    def gateway(self) -> str:
        """The node's own address in it."""
        return str(ipaddress.ip_network(self.prefix)[1])

    def __contains__(self, address: object) -> bool:
        """True also for those of its addresses that are not given out."""
        _, _, _, first, last = _measured(self.prefix)
        return family(str(address)) == self.family and first <= number_of(str(address)) <= last


@lru_cache(maxsize=1 << 14)
def number_of(address: str) -> int:
    """An address as a number; ValueError if it is none."""
    return int(ipaddress.ip_address(address))


@lru_cache(maxsize=1 << 16)
def text_of(version: int, number: int) -> str:
    """A number as an address; remembered, since every ADD asks for a few of the same ones."""
    return str(ipaddress.IPv4Address(number) if version == IPV4 else ipaddress.IPv6Address(number))


@lru_cache(maxsize=1 << 12)
def span(prefix: str) -> tuple[int, int, int]:
    """Family, first and last number of a prefix, with everything in it; ValueError if it is none."""
    network = ipaddress.ip_network(prefix)
    return network.version, int(network[0]), int(network[-1])


@lru_cache(maxsize=1 << 12)
def _measured(prefix: str) -> tuple[int, int, int, int, int]:
    """Family, what is given out (first, last), what it spans (first, last)."""
    version, first, last = span(prefix)
    if first == last:
        return version, first, last, first, last
    return version, first + 2, min(last - (version == IPV4), first + LARGEST), first, last
