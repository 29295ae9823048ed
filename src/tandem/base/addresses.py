"""IP addresses and prefixes as text: their family, and the prefix of one host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Final

IPV4, IPV6 = 4, 6
FAMILIES: Final = (IPV4, IPV6)
HOST_BITS: Final = {IPV4: 32, IPV6: 128}
"""The length of a prefix that holds one address."""
EVERYTHING: Final = {IPV4: "0.0.0.0/0", IPV6: "::/0"}
"""The prefix of the default route."""
UNSPECIFIED: Final = {IPV4: "0.0.0.0", IPV6: "::"}  # noqa: S104 - "every address", nothing listens
"""What stands for every address of a family."""
SPECIAL: Final[dict[IPv4Network | IPv6Network, str]] = {
    ip_network(prefix): use
    for prefix, use in (
        ("0.0.0.0/8", "this network"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("::/127", "unspecified and loopback"),
        ("::ffff:0:0/96", "IPv4 inside IPv6"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    )
}
"""Prefixes of which no address can be that of a pod, a Service or another host (RFC 6890), and what they are for."""


def family(text: str) -> int:
    """4 or 6, of an address or prefix that was checked before."""
    return IPV6 if ":" in text else IPV4


def families(addresses: Iterable[str]) -> tuple[int, ...]:
    """Of these addresses or prefixes, each once, 4 before 6."""
    return tuple(sorted(set(map(family, addresses))))


def is_address(text: str) -> bool:
    """False for a host name, a prefix, nothing."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def order(address: str) -> tuple[int, tuple[int, ...]]:
    """Sorts canonical addresses by family and number."""
    if ":" in address:
        return IPV6, (int(IPv6Address(address)),)
    return IPV4, tuple(map(int, address.split(".")))


def host_prefix(address: str) -> str:
    """`10.244.0.5/32`, `fd00::5/128`."""
    return f"{address}/{HOST_BITS[family(address)]}"


def special(version: int, first: int, last: int) -> str:
    """`127.0.0.0/8 (loopback)`, if one of the addresses from `first` to `last` has a use of its own; else nothing."""
    for prefix, use in SPECIAL.items():
        if prefix.version == version and first <= int(prefix[-1]) and int(prefix[0]) <= last:
            return f"{prefix} ({use})"
    return ""


def special_of(network: IPv4Network | IPv6Network) -> str:
    """As `special`, of a prefix."""
    return special(network.version, int(network[0]), int(network[-1]))


def outside_of(prefix: str, others: Iterable[str]) -> tuple[str, ...]:
    """What is left of a prefix without others, in as few prefixes as it takes; nothing, where they cover it."""
    left = [ip_network(prefix)]
    for other in _apart(others):
        parts: list[IPv4Network | IPv6Network] = []
        for one in left:
            if one.version != other.version or not one.overlaps(other):
                parts.append(one)
            elif one.prefixlen < other.prefixlen:
                parts += one.address_exclude(other)  # type: ignore[arg-type] # of one version, as was just seen
        left = parts
    return tuple(map(str, sorted(left, key=lambda one: (one.version, one))))


def _apart(prefixes: Iterable[str]) -> Iterator[IPv4Network | IPv6Network]:
    """The same without overlap, and joined where they can be."""
    found = tuple(map(ip_network, prefixes))
    yield from collapse_addresses(n for n in found if isinstance(n, IPv4Network))
    yield from collapse_addresses(n for n in found if isinstance(n, IPv6Network))
