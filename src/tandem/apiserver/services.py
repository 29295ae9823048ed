"""Addresses for Services: 10.96.0.0/16, the tenth reserved for DNS. Pure: addresses in use in, a changed spec out."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Final

Raw = dict[str, Any]
SERVICE_CIDR: Final = ipaddress.IPv4Network("10.96.0.0/16")
DNS_ADDRESS: Final = "10.96.0.10"
FIRST: Final = 16
"""Automatic addresses begin here; those below are for whoever asks for one."""


class AddressError(ValueError):
    """No address can be given; the message begins with the field path."""


def used(specs: Iterable[Raw]) -> frozenset[str]:
    """The addresses that these Service specs hold."""
    return frozenset(s["clusterIP"] for s in specs if s.get("clusterIP") not in {None, "", "None"})


def with_address(spec: Raw, old: Raw | None, taken: frozenset[str], *, dns: bool = False) -> Raw:
    """`spec` with clusterIP and clusterIPs; `old` is the spec before an update. `dns` marks the DNS Service itself."""
    if spec.get("type") == "ExternalName":
        return {k: v for k, v in spec.items() if k not in {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}}
    asked = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
    before = (old or {}).get("clusterIP", "")
    if before and asked and asked != before:
        raise AddressError("spec.clusterIP: may not be changed once it is set")
    address = asked or before
    if len(spec.get("clusterIPs") or ()) > 1:
        raise AddressError("spec.clusterIPs: one address family (IPv4) is served, so one address at most")
    if "IPv6" in (spec.get("ipFamilies") or ()):
        raise AddressError("spec.ipFamilies: IPv6 is not served for Services")
    if address and address not in {"None", before}:
        _check(address, taken, dns=dns)
    address = address or _free(taken)
    families = {"ipFamilies": ["IPv4"], "ipFamilyPolicy": spec.get("ipFamilyPolicy") or "SingleStack"}
    return {**spec, "clusterIP": address, "clusterIPs": [address], **families}


def _check(address: str, taken: frozenset[str], *, dns: bool) -> None:
    if ipaddress.ip_address(address) not in SERVICE_CIDR:
        raise AddressError(f"spec.clusterIP: {address} is not in the service network {SERVICE_CIDR}")
    if address in taken:
        raise AddressError(f"spec.clusterIP: {address} belongs to another Service already")
    if address == DNS_ADDRESS and not dns:
        raise AddressError(f"spec.clusterIP: {address} is reserved for DNS")


def _free(taken: frozenset[str]) -> str:
    first = int(SERVICE_CIDR.network_address)
    for number in range(first + FIRST, int(SERVICE_CIDR.broadcast_address)):
        address = str(ipaddress.IPv4Address(number))
        if address not in taken:
            return address
    raise AddressError(f"spec.clusterIP: no address is left in the service network {SERVICE_CIDR}")
