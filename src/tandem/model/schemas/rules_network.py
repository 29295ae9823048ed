"""NetworkPolicy beyond the form of single fields, as the API server judges it. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, Final

from tandem.model.schemas.rules_kubernetes import Rule, repeated

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _peer(raw: dict[str, Any], at: str) -> Iterator[str]:
    selectors = [k for k in ("podSelector", "namespaceSelector") if k in raw]
    if not raw:
        yield f"{at}: needs one of podSelector, namespaceSelector, ipBlock"
    if "ipBlock" in raw and selectors:
        yield f"{at}.ipBlock: may not be given together with {' or '.join(selectors)}"


def _block(raw: dict[str, Any], at: str) -> Iterator[str]:
    cidr = _network(raw["cidr"])
    if cidr is None:
        yield f"{at}.cidr: {raw['cidr']!r} is not a network such as 10.0.0.0/8"
    for i, text in enumerate(raw.get("except") or []):
        inner = _network(text)
        if inner is None:
            yield f"{at}.except[{i}]: {text!r} is not a network such as 10.1.0.0/16"
        elif cidr is not None and not _strictly_within(inner, cidr):
            yield f"{at}.except[{i}]: {text!r} must be a strict subset of cidr {raw['cidr']!r}"


def _network(text: str) -> Network | None:
    # Host bits are accepted, as the API server does; the prefix length is not optional.
    if "/" not in text or "." in text.rpartition("/")[2]:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _strictly_within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner != outer and inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner != outer and inner.subnet_of(outer)
    return False


def _port(raw: dict[str, Any], at: str) -> Iterator[str]:
    if "endPort" not in raw:
        return
    port = raw.get("port")
    if port is None:
        yield f"{at}.endPort: may not be given without port"
    elif isinstance(port, str):
        yield f"{at}.endPort: may not be given with a named port"
    elif raw["endPort"] < port:
        yield f"{at}.endPort: must not be less than port"


def _spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    types = raw.get("policyTypes") or []
    yield from repeated((f"{at}.policyTypes[{i}]", t) for i, t in enumerate(types))


RULES: Final[dict[str, Rule]] = {
    "NetworkPolicyPeer": _peer,
    "IPBlock": _block,
    "NetworkPolicyPort": _port,
    "NetworkPolicySpec": _spec,
}
