"""tandem.io: the object that gives Services of type LoadBalancer their addresses."""

from __future__ import annotations

import ipaddress

import msgspec

from tandem.base.addresses import special
from tandem.model.meta import Model, Object


class PoolSpec(Model, frozen=True, kw_only=True):
    """spec. Every entry of `addresses` is one that `parse_block` takes."""

    addresses: tuple[str, ...] = ()
    automatic: bool = True
    """False: its addresses are for Services that ask for them."""


class LoadBalancerPool(Object, frozen=True, kw_only=True):
    """tandem.io LoadBalancerPool; cluster-scoped."""

    spec: PoolSpec = PoolSpec()


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses of one family, from `first` to `last` (as numbers), both included."""

    version: int
    first: int
    last: int

    def __contains__(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return address.version == self.version and self.first <= int(address) <= self.last


def parse_block(text: str) -> Block:
    """`192.0.2.64/28` or `192.0.2.10-192.0.2.20`, of either family; ValueError says what is wrong.

    Of a prefix with more than two addresses the first and the last are left out (network and broadcast, RFC 1122;
    for IPv6 the routers' anycast, RFC 4291), of a range none.
    """
    low, dash, high = (part.strip() for part in text.partition("-"))
    if not dash:
        network = ipaddress.ip_network(low)
        inner = network.num_addresses > 2
        return _usual(
            Block(
                version=network.version,
                first=int(network.network_address) + inner,
                last=int(network.broadcast_address) - inner,
            )
        )
    first, last = ipaddress.ip_address(low), ipaddress.ip_address(high)
    if first.version != last.version or int(first) > int(last):
        raise ValueError(f"{low} does not come before {high}")
    return _usual(Block(version=first.version, first=int(first), last=int(last)))


def _usual(block: Block) -> Block:
    if use := special(block.version, block.first, block.last):
        raise ValueError(f"has addresses of {use}")
    return block
