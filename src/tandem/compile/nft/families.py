"""IPv4 and IPv6: which field, type and keyword each has. Every rule on addresses is made once per family."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from tandem.state import nft
from tandem.state.nft import Field


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One address family. `word` is nft's keyword, `nfproto` the value of `meta nfproto`."""

    version: int
    word: str
    nfproto: str
    type: str
    saddr: Field
    daddr: Field


V4: Final = Family(version=4, word="ip", nfproto="ipv4", type="ipv4_addr", saddr=Field.SADDR4, daddr=Field.DADDR4)
V6: Final = Family(version=6, word="ip6", nfproto="ipv6", type="ipv6_addr", saddr=Field.SADDR6, daddr=Field.DADDR6)
FAMILIES: Final = (V4, V6)


def of_family(addresses: Iterable[str], family: Family) -> list[str]:
    """The addresses of one family, in canonical form and order."""
    return list(_of_version(tuple(addresses), family.version))


@lru_cache(maxsize=8192)
def _of_version(addresses: tuple[str, ...], version: int) -> tuple[str, ...]:
    """Cached: every pod's addresses are asked for in each view, six times."""
    parsed = (ipaddress.ip_address(a) for a in addresses)
    return tuple(str(a) for a in sorted(a for a in parsed if a.version == version))


def prefixes(texts: Iterable[str], family: Family) -> tuple[nft.Prefix, ...]:
    """The prefixes of one family without overlap, sorted: the kernel's interval sets refuse overlaps."""
    if family.version == 4:
        return tuple(_prefix(n) for n in ipaddress.collapse_addresses(_networks4(texts)))
    return tuple(_prefix(n) for n in ipaddress.collapse_addresses(_networks6(texts)))


def without(found: Iterable[nft.Prefix], addresses: Iterable[str]) -> tuple[nft.Prefix, ...]:
    """The prefixes without these addresses, sorted and without overlap."""
    networks = [ipaddress.ip_network(f"{p.address}/{p.length}") for p in found]
    for text in addresses:
        one = ipaddress.ip_network(text)
        inside = next((n for n in networks if n.version == one.version and n.supernet_of(one)), None)  # type: ignore[arg-type]
        if inside is not None:
            networks.remove(inside)
            networks += inside.address_exclude(one)  # type: ignore[arg-type]
    return tuple(_prefix(n) for n in sorted(networks, key=lambda n: (n.version, n)))


def _networks4(texts: Iterable[str]) -> list[ipaddress.IPv4Network]:
    parsed = (ipaddress.ip_network(t, strict=False) for t in texts)
    return [n for n in parsed if isinstance(n, ipaddress.IPv4Network)]


def _networks6(texts: Iterable[str]) -> list[ipaddress.IPv6Network]:
    parsed = (ipaddress.ip_network(t, strict=False) for t in texts)
    return [n for n in parsed if isinstance(n, ipaddress.IPv6Network)]


def _prefix(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> nft.Prefix:
    return nft.Prefix(str(network.network_address), network.prefixlen)
