"""Which address comes next: a prefix, the addresses taken and the one last given -> a free address. Pure.

Next-fit: the search goes on after the address given last, so that an address is not reused while others still believe
that it is the old pod's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

_V4 = 4


class PoolFullError(Exception):
    """No address of the pool is free; the text says how large it is and what to do."""


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
