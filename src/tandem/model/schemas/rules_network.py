"""NetworkPolicy beyond the form of single fields, as the API server judges it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.model.cidr import parse_cidr, within
from tandem.model.schemas.complaint import forbidden, invalid, required, unsupported
from tandem.model.schemas.rules_kubernetes import Rule
from tandem.model.schemas.syntax import port_name_fault

PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
TYPES: Final = 2
PORT: Final = "must be between 1 and 65535, inclusive"
PREFIX: Final = "must be a prefix such as 10.9.8.0/24 or 2001:db8::/64"


def _peer(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw:
        yield required(at, "must specify a peer: podSelector, namespaceSelector or ipBlock")
    if "ipBlock" in raw and len(raw) > 1:
        yield forbidden(at, "may not specify both ipBlock and another peer")


def _block(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["cidr"]:
        yield required(f"{at}.cidr")
        return
    cidr = parse_cidr(raw["cidr"])
    if cidr is None:
        yield invalid(f"{at}.cidr", raw["cidr"], PREFIX)
    for i, text in enumerate(raw.get("except") or []):
        inner = parse_cidr(text)
        if inner is None:
            yield invalid(f"{at}.except[{i}]", text, PREFIX)
        elif cidr is not None and (inner == cidr or not within(inner, cidr)):
            yield invalid(f"{at}.except[{i}]", text, "must be a strict subset of `cidr`")


def _port(raw: dict[str, Any], at: str) -> Iterator[str]:
    port, end = raw.get("port"), raw.get("endPort")
    if raw.get("protocol", "TCP") not in PROTOCOLS:
        yield unsupported(f"{at}.protocol", raw["protocol"], PROTOCOLS)
    if isinstance(port, int) and not 1 <= port <= 65535:
        yield invalid(f"{at}.port", port, PORT)
    if isinstance(port, str) and (wrong := port_name_fault(port)):
        yield invalid(f"{at}.port", port, wrong)
    if end is None:
        return
    if port is None:
        yield invalid(f"{at}.endPort", end, "may not be specified when `port` is not specified")
    elif isinstance(port, str):
        yield invalid(f"{at}.endPort", end, "may not be specified when `port` is non-numeric")
    elif end < port:
        yield invalid(f"{at}.endPort", end, "must be greater than or equal to `port`")
    elif not 1 <= end <= 65535:
        yield invalid(f"{at}.endPort", end, PORT)


def _spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    types = raw.get("policyTypes") or []
    if len(types) > TYPES:
        yield invalid(f"{at}.policyTypes", types, "may not specify more than two policyTypes")


RULES: Final[dict[str, Rule]] = {
    "NetworkPolicyPeer": _peer,
    "IPBlock": _block,
    "NetworkPolicyPort": _port,
    "NetworkPolicySpec": _spec,
}
