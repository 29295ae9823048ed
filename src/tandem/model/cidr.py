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


def parse_network(text: str) -> Network | None:
    """The same, where a single address is written without a length as well."""
    return parse_cidr(text if "/" in text else f"{text}/{128 if ':' in text else 32}")


def odd_form(text: str) -> str:
    """What is odd about a prefix that means something, and how it is written; nothing if it is as it should be."""
    network = parse_cidr(text)
    if network is None or text == str(network):
        return ""
    try:
        address = ip_network(text.partition("/")[0]).network_address
    except ValueError:
        address = None  # leading zeros
    if address is None or getattr(address, "ipv4_mapped", None) is not None:
        return f"{text!r} is no standard form, and newer API servers refuse it: write {str(network)!r}"
    if address != network.network_address:
        single = f"{address}/{network.max_prefixlen}"
        return f"{text!r} is ambiguous: it is read as {str(network)!r}, not {single!r}"
    return f"{text!r} is not in canonical form: write {str(network)!r}"


def within(inner: Network, outer: Network) -> bool:
    """True if every address of `inner` is in `outer`; never across families."""
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network):
        return inner.subnet_of(outer)
    return False
