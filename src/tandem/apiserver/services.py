"""Addresses of Services: one of each of their families, that of DNS reserved. Pure: addresses in use in, a spec out."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Final

from tandem.apiserver.families import NAMES, SINGLE, FamilyError, settle
from tandem.base.addresses import family
from tandem.cluster.networks import SERVICES, Network, ServiceNetwork

Raw = dict[str, Any]
FIRST: Final = 16
"""Automatic addresses begin here, or in a small network at its quarter; those below are for whoever asks for one."""
_OF_A_TYPE: Final = frozenset({"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"})
_OUTWARD: Final = frozenset(
    {"externalTrafficPolicy", "healthCheckNodePort", "allocateLoadBalancerNodePorts", "loadBalancerClass"}
)
HEADLESS: Final = "None"


class AddressError(ValueError):
    """No address can be given; the message begins with the field path."""


def used(specs: Iterable[Raw]) -> frozenset[str]:
    """The addresses that these Service specs hold."""
    found = {a for s in specs for a in (s.get("clusterIP"), *(s.get("clusterIPs") or ()))}
    return frozenset(a for a in found if a and a != HEADLESS)


def renamed(body: Any, old: Raw) -> Any:
    """An update that makes a Service of another type an ExternalName, without what its type had brought with it.

    Clients send that back as they were given it; what they have changed stays, and is looked at as in any other update
    (Kubernetes: dropTypeDependentFields).
    """
    spec, before = body.get("spec") if isinstance(body, dict) else None, old["spec"]
    if not isinstance(spec, dict) or spec.get("type") != "ExternalName" or before.get("type") == "ExternalName":
        return body
    brought = _OF_A_TYPE | _OUTWARD
    kept = {k: v for k, v in spec.items() if k not in brought or v != before.get(k)}
    if isinstance(spec.get("ports"), list):
        held = {p["nodePort"] for p in before.get("ports") or () if p.get("nodePort")}
        kept["ports"] = [_unheld(p, held) for p in spec["ports"]]
    return {**body, "spec": kept}


def _unheld(port: Any, held: set[int]) -> Any:
    if not isinstance(port, dict) or port.get("nodePort") not in held:
        return port
    return {k: v for k, v in port.items() if k != "nodePort"}


def with_address(
    spec: Raw, old: Raw | None, taken: frozenset[str], *, network: ServiceNetwork = SERVICES, dns: bool = False
) -> Raw:
    """`spec` with its families and an address of each; `old` is the spec before an update.

    `dns` marks the DNS Service itself, which has the reserved addresses where it asks for none.
    """
    if spec.get("type") == "ExternalName":
        return {k: v for k, v in spec.items() if k not in _OF_A_TYPE}
    before = tuple((old or {}).get("clusterIPs") or ())
    spec = _normal(spec, before)
    try:
        families = settle(spec, old, network.families)
    except FamilyError as err:
        raise AddressError(str(err)) from None
    asked = tuple(spec.get("clusterIPs") or ())
    fields = {"ipFamilies": list(families.names), "ipFamilyPolicy": families.policy}
    if HEADLESS in asked:
        return {**spec, "clusterIP": HEADLESS, "clusterIPs": [HEADLESS], **fields}
    if len(asked) == 1 < len(before) and families.policy != SINGLE:
        raise AddressError(f"spec.clusterIPs: the second address is released by ipFamilyPolicy {SINGLE} only")
    given: list[str] = []
    for i, name in enumerate(families.names):
        own = _network(network, name)
        address = asked[i] if i < len(asked) else _free(own, taken, network.dns_addresses)
        if i < len(before) and address != before[i]:
            raise AddressError(f"spec.clusterIPs[{i}]: may not be changed once it is set")
        if address not in before and i < len(asked):
            _check(address, own, taken, f"spec.clusterIPs[{i}]")
            if address in network.dns_addresses and not dns:
                raise AddressError(f"spec.clusterIPs[{i}]: {address} is reserved for DNS")
        given.append(address)
    return {**spec, "clusterIP": given[0], "clusterIPs": given, **fields}


def _normal(spec: Raw, before: tuple[str, ...]) -> Raw:
    """ClusterIP and clusterIPs say the same; an update that leaves either out keeps what was there."""
    single, several = spec.get("clusterIP") or "", tuple(spec.get("clusterIPs") or ())
    first = before[0] if before else ""
    if not single and several and not before:
        raise AddressError("spec.clusterIPs: must be empty when `clusterIP` is not specified")
    if first and single and single != first:
        raise AddressError("spec.clusterIP: may not be changed once it is set")
    single = single or first
    if not several:
        several = before if before and single == first else ((single,) if single else ())
    if several and several[0] != single:
        raise AddressError("spec.clusterIPs[0]: must match `clusterIP`")
    if HEADLESS in several and len(several) > 1:
        raise AddressError("spec.clusterIPs: a headless Service has no other address")
    return {**spec, "clusterIP": single, "clusterIPs": list(several)}


def _network(network: ServiceNetwork, name: str) -> Network:
    return next(ipaddress.ip_network(cidr) for cidr in network.cidrs if NAMES[family(cidr)] == name)


def _check(address: str, network: Network, taken: frozenset[str], at: str) -> None:
    if ipaddress.ip_address(address) not in network:
        raise AddressError(f"{at}: {address} is not in the service network {network}")
    if address in taken:
        raise AddressError(f"{at}: {address} belongs to another Service already")


def _free(network: Network, taken: frozenset[str], reserved: tuple[str, ...]) -> str:
    for number in range(min(FIRST, network.num_addresses // 4), network.num_addresses - 1):
        address = str(network[number])
        if address not in taken and address not in reserved:
            return address
    raise AddressError(f"spec.clusterIPs: no address is left in the service network {network}")
