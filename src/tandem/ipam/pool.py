"""Which address comes next: a prefix, the addresses taken and the one last given -> a free address. Pure.

Next-fit: the search goes on after the address given last, so that an address is not reused while others still believe
that it is the old pod's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

_V4 = 4
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class PoolFullError(Exception):
    """No address of the pool is free; the text says how large it is and what to do."""


class AddressRefusedError(Exception):
    """An address that was asked for cannot be given; the text says why."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A node's pod prefix. Not given out: the network address, the first (the node's own), and IPv4 broadcast."""

    prefix: str

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(
                f"pod prefix {self.prefix}: no room for a pod; use /{29 if self.is_v4 else 120} or shorter"
            )

    @property
    def is_v4(self) -> bool:
        """True for IPv4."""
        return ipaddress.ip_network(self.prefix).version == _V4

    @property
    def gateway(self) -> str:
        """The first address, which is the node's own."""
        return str(ipaddress.ip_network(self.prefix)[1])

    @property
    def size(self) -> int:
        """How many pods the prefix has room for."""
        return max(0, ipaddress.ip_network(self.prefix).num_addresses - (3 if self.is_v4 else 2))

    def claim(self, address: str, taken: AbstractSet[str]) -> str:
        """This very address; raises AddressRefusedError with the reason."""
        network = ipaddress.ip_network(self.prefix)
        parsed = ipaddress.ip_address(address)
        if parsed not in network:
            raise AddressRefusedError(f"address {address} is outside {self.prefix}, this node's pod prefix")
        if not self._is_given_out(parsed):
            raise AddressRefusedError(f"address {address} is reserved: the network's, the node's own or broadcast")
        if str(parsed) in taken:
            raise AddressRefusedError(f"address {address} is taken by another pod of this node")
        return str(parsed)

    def next_of(self, ranges: Iterable[tuple[str, str]], taken: AbstractSet[str], *, last: str = "") -> str:
        """The first free address after `last` that lies in one of the ranges (first and last); raises PoolFullError."""
        after, before = [], []
        wanted = tuple(ranges)
        for low, high in wanted:
            first, end = ipaddress.ip_address(low), ipaddress.ip_address(high)
            found = _first_free(self, first, end, taken=taken)
            before += [found] if found else []
            if last and int(first) <= int(ipaddress.ip_address(last)) < int(end):
                found = _first_free(self, ipaddress.ip_address(last) + 1, end, taken=taken)
                after += [found] if found else []
        if not after and not before:
            names = ", ".join(f"{low} to {high}" for low, high in wanted)
            raise PoolFullError(f"no address is free in the ranges asked for: {names}")
        return (after or before)[0]

    def _is_given_out(self, address: _Address) -> bool:
        """Neither the network address, the node's own, nor broadcast."""
        network = ipaddress.ip_network(self.prefix)
        return int(network[2]) <= int(address) < int(network[2]) + self.size

    def next(self, taken: AbstractSet[str], *, last: str = "") -> str:
        """The first free address after `last`, round the prefix; raises PoolFullError."""
        network = ipaddress.ip_network(self.prefix)
        first = int(network[2])
        start = 0
        if last and ipaddress.ip_address(last) in network:
            start = int(ipaddress.ip_address(last)) - first + 1
        for step in range(min(self.size, len(taken) + 1)):
            address = str(network[2 + (start + step) % self.size])
            if address not in taken:
                return address
        raise PoolFullError(
            f"address pool {self.prefix} is full: all {self.size} addresses are in use; "
            f"delete pods of this node or give it a larger pod prefix"
        )


def _first_free(pool: Pool, first: _Address, last: _Address, *, taken: AbstractSet[str]) -> str:
    """Looks at no more addresses than are taken or reserved, and one; empty if none is free."""
    network = ipaddress.ip_network(pool.prefix)
    low = max(int(first), int(network[2]))
    high = min(int(last), int(network[2]) + pool.size - 1)
    for number in range(low, min(high, low + len(taken)) + 1):
        address = str(network[number - int(network[0])])
        if address not in taken:
            return address
    return ""
