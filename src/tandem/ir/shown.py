"""Which pairs of certificate and key a node needs: what its gateways show, and what its proxies show to hosts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from tandem.ir.fabric import Service
from tandem.ir.gateway import Gateway, certificates_of, destinations_of
from tandem.ir.traffic import TrafficPolicy


def certificates_needed(
    gateways: Iterable[Gateway],
    policies: Mapping[str, TrafficPolicy],
    services: Mapping[str, Service],
    namespaces: AbstractSet[str],
) -> frozenset[str]:
    """Their names; `namespaces`: of the pods of the mesh on the node."""
    found, reached = set[str](), set[tuple[str, str]]()
    for gateway in gateways:
        found |= certificates_of(gateway)
        reached |= {(gateway.namespace, f"{b.namespace}/{b.service}") for b in destinations_of(gateway)}
    everywhere = {key for _, key in reached}
    for key, policy in policies.items():
        names = policy.certificates
        if names and (key in everywhere or is_seen(services.get(key), namespaces)):
            found |= names
        for one in policy.callers:
            names, home = one.policy.certificates, {one.namespace}
            if names and ((one.namespace, key) in reached or is_seen(services.get(key), namespaces & home)):
                found |= names
    return frozenset(found)


def is_seen(service: Service | None, namespaces: AbstractSet[str]) -> bool:
    """Whether pods of one of the namespaces may call it: every Service, and a host that is exported to them."""
    if service is None or service.external is None:
        return service is not None and bool(namespaces)
    return any(map(service.external.seen_from, namespaces))
