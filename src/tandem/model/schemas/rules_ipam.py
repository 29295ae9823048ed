"""Pools, reservations, blocks, and the addresses that a pod asks for, beyond the form of single fields. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, Final

from tandem.base.addresses import IPV4, special_of
from tandem.model.schemas.rules_kubernetes import Rule, repeated

LONGEST: Final = {IPV4: 29, 6: 125}
"""Of a block two addresses and broadcast are not given to pods; the rest must be worth a route."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _pool(raw: dict[str, Any], at: str) -> Iterator[str]:
    network = parsed(str(raw["cidr"]))
    if isinstance(network, str):
        yield f"{at}.cidr: {network}"
        return
    if use := special_of(network):
        yield f"{at}.cidr: {network} has addresses of {use}"
    longest = LONGEST[network.version]
    if network.prefixlen > longest:
        yield f"{at}.cidr: {network} has no room for a block; use /{longest} or shorter"
    size = raw.get("blockSize")
    if size is not None and not network.prefixlen <= size <= longest:
        yield f"{at}.blockSize: /{size} cannot be a block of {network}: use /{network.prefixlen} to /{longest}"


def _reservation(raw: dict[str, Any], at: str) -> Iterator[str]:
    texts = raw["reservedCIDRs"]
    for i, text in enumerate(texts):
        network = parsed(text)
        if isinstance(network, str):
            yield f"{at}.reservedCIDRs[{i}]: {network}"
    yield from repeated((f"{at}.reservedCIDRs[{i}]", text) for i, text in enumerate(texts))


def _block(raw: dict[str, Any], at: str) -> Iterator[str]:
    network = parsed(str(raw["cidr"]))
    if isinstance(network, str):
        yield f"{at}.cidr: {network}"
        return
    for i, loan in enumerate(raw.get("loans") or ()):
        address = parsed(str(loan["address"]))
        if isinstance(address, str) or address.num_addresses > 1 or address[0] not in network:
            yield f"{at}.loans[{i}].address: {loan['address']!r} is no address of {network}"
    yield from repeated((f"{at}.loans[{i}].address", loan["address"]) for i, loan in enumerate(raw.get("loans") or ()))


def parsed(text: str) -> Network | str:
    """A prefix (or one address), or what is wrong with it."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        return f"{text!r} is not a prefix: {error}"


RULES: Final[dict[str, Rule]] = {
    "IpPoolSpec": _pool,
    "IpReservationSpec": _reservation,
    "IpBlockSpec": _block,
}
