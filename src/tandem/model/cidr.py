"""Prefixes as the Kubernetes API has always read them, in canonical form. Pure.

Old fields accept more than a prefix should be: host bits, leading zeros (as decimal), and IPv4 inside IPv6, which means
the IPv4 prefix. What the API server refuses of these today can still be in an old object.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network
_MAPPED = IPv6Network("::ffff:0:0/96")
_ZEROS = re.compile(r"(?<![0-9a-fA-F:])0+(?=[0-9])")
_LENGTH = re.compile(r"[0-9]{1,3}")


def parse_cidr(text: str) -> Network | None:
    """The network that a text means, without host bits; None if it is none."""
    address, slash, length = text.partition("/")
    if not slash or "%" in address or _LENGTH.fullmatch(length) is None:
        return None
    if ":" not in address:
        address = ".".join(_ZEROS.sub("", part) for part in address.split("."))
    try:
        found = ip_network(f"{address}/{int(length)}", strict=False)
    except ValueError:
        return None
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        return IPv4Network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - 96))
    return found


def within(inner: Network, outer: Network) -> bool:
    """True if every address of `inner` is in `outer`; never across families."""
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network):
        return inner.subnet_of(outer)
    return False
