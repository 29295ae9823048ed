"""Kinds of tandem.io beyond the form of single fields. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_network
from typing import Any, Final

from tandem.base.addresses import special_of
from tandem.model.pools import parse_block
from tandem.model.schemas.rules_kubernetes import Rule

SMALLEST_MTU: Final = 1280
"""The least that IPv6 allows on a link (RFC 8200, section 5)."""
LARGEST_MTU: Final = 65535
LARGEST_VNI: Final = 0xFFFFFF


def _network(raw: dict[str, Any], at: str) -> Iterator[str]:
    name = (raw.get("metadata") or {}).get("name")
    if name and name != "default":
        yield f"{at}.metadata.name: {name!r}: the one Network of a cluster is named default".lstrip(".")


def _spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    mtu = raw.get("mtu") or 0
    if mtu and not SMALLEST_MTU <= mtu <= LARGEST_MTU:
        yield f"{at}.mtu: {mtu} is not between {SMALLEST_MTU} and {LARGEST_MTU}, nor 0 (worked out)"
    if raw.get("vxlan") and raw.get("fabric") != "vxlan":
        yield f"{at}.vxlan: has a meaning with fabric: vxlan only"
    if raw.get("bgp") and (raw.get("fabric") or "routed") != "routed":
        yield f"{at}.bgp: has a meaning with fabric: routed only"


def _vxlan(raw: dict[str, Any], at: str) -> Iterator[str]:
    vni = raw.get("vni", 1)
    if not 1 <= vni <= LARGEST_VNI:
        yield f"{at}.vni: {vni} is not between 1 and {LARGEST_VNI}"


def _pool(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["addresses"]:
        yield f"{at}.addresses: at least one prefix or range is required"
    for i, text in enumerate(raw["addresses"]):
        try:
            parse_block(text)
        except ValueError as err:
            yield f"{at}.addresses[{i}]: {text!r}: {err}"


def _bgp(raw: dict[str, Any], at: str) -> Iterator[str]:
    seen: dict[str, int] = {}
    for index, peer in enumerate(raw.get("peers") or ()):
        address = str(peer.get("address"))
        if address in seen:
            yield f"{at}.peers[{index}].address: {address} is peers[{seen[address]}] already"
        seen.setdefault(address, index)
        with suppress(ValueError):  # what is no address was told with the form of the field
            if use := special_of(ip_network(address)):
                yield f"{at}.peers[{index}].address: {address} is of {use}, where no peer can be"


RULES: Final[dict[str, Rule]] = {
    "Network": _network,
    "NetworkSpec": _spec,
    "NetworkVxlan": _vxlan,
    "NetworkBgp": _bgp,
    "LoadBalancerPoolSpec": _pool,
}
