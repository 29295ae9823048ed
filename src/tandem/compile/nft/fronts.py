"""NodeView -> every front of its Services: where one is dialled, and which endpoints are behind it for whom. Pure.

Which endpoints a policy and hints of topology leave is decided in `compile/reach.py`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from enum import Enum, IntEnum

import msgspec

from tandem.compile.nft.families import Family
from tandem.compile.reach import local, near, serving
from tandem.ir.fabric import Endpoints, Service, ServicePort
from tandem.ir.node import NodeView
from tandem.state import nft

Target = tuple[str, int]


class Lane(Enum):
    """What a front is found by: its address, protocol and port, or protocol and port on the node's own addresses."""

    ADDRESS = ""
    NODE = "node"


class Claim(IntEnum):
    """By what a Service has an address, the better claim first: what it says of itself takes nothing from others."""

    OWN = 0
    """Given to it: a cluster IP, or a node port."""
    BALANCER = 1
    EXTERNAL = 2


class Front(msgspec.Struct, frozen=True):
    """One place where a Service port is dialled."""

    lane: Lane
    key: nft.Key
    targets: tuple[Target, ...]
    outside: tuple[Target, ...] | None = None
    """For sources outside the cluster where they differ (externalTrafficPolicy Local); None: as for everyone."""
    affinity_seconds: int = 0
    refused: bool = False
    """No endpoint anywhere."""
    sources: tuple[str, ...] | None = None
    """Prefixes that may dial it; None: everyone."""
    shares: int = 0
    """`Service.shares`: then a target is there once for each share that it has."""


class _Port(msgspec.Struct, frozen=True):
    """A Service port with its endpoints: all of them, and those of this node."""

    service: Service
    port: ServicePort
    every: tuple[Target, ...]
    local: tuple[Target, ...]

    @property
    def protocol(self) -> str:
        return self.port.protocol.lower()


def fronts(view: NodeView, family: Family) -> Iterator[Front]:
    """Every front of one family, sorted by claim and Service. What two Services claim alike is the first one's."""
    seen: set[tuple[Lane, nft.Key]] = set()
    found: list[tuple[Claim, Front]] = []
    for name in sorted(view.services):
        found += _of_service(view, view.services[name], view.endpoints.get(name), family)
    for _, front in sorted(found, key=lambda claimed: claimed[0]):
        if (front.lane, front.key) not in seen:
            seen.add((front.lane, front.key))
            yield front


def owned(view: NodeView, family: Family) -> Iterable[str]:
    """Addresses that belong to Services: a port of theirs that no Service has is refused."""
    for service in view.services.values():
        if not service.external_name:
            yield from _mine(view, (*service.cluster_ips, *service.balancer_ips), family)


def _of_service(
    view: NodeView, service: Service, endpoints: Endpoints | None, family: Family
) -> Iterator[tuple[Claim, Front]]:
    if service.external_name or not service.cluster_ips:
        return
    for port in service.ports:
        close = near(view.node, serving(endpoints, port.name, family.version))
        if service.shares:
            every = [(e.address, n) for e, n in close for _ in range(e.weight)]
        else:
            every = [*{(e.address, n) for e, n in close}]
        known = _Port(
            service,
            port,
            tuple(sorted(every)),
            tuple(sorted({(e.address, n) for e, n in local(view.node, endpoints, port.name, family.version)})),
        )
        for address in _mine(view, service.cluster_ips, family):
            key = (address, known.protocol, port.port)
            front = _front(Lane.ADDRESS, key, known, known.local if service.internal_local else known.every)
            yield Claim.OWN, front
        for address in _mine(view, service.balancer_ips, family):
            front = _outer(Lane.ADDRESS, (address, known.protocol, port.port), known)
            # An address that is named in both ways stays limited.
            yield Claim.BALANCER, msgspec.structs.replace(front, sources=service.sources)
        for address in _mine(view, service.external_ips, family):
            yield Claim.EXTERNAL, _outer(Lane.ADDRESS, (address, known.protocol, port.port), known)
        if port.node_port and _serves(service, family):
            yield Claim.OWN, _outer(Lane.NODE, (known.protocol, port.node_port), known)


def _front(lane: Lane, key: nft.Key, port: _Port, targets: tuple[Target, ...]) -> Front:
    service = port.service
    refused = not port.every and not targets and not service.shares
    return Front(lane, key, targets, None, service.affinity_seconds, refused, shares=service.shares)


def _outer(lane: Lane, key: nft.Key, port: _Port) -> Front:
    """Pods and the node itself reach every endpoint also where the policy is Local, as kube-proxy has it."""
    front = _front(lane, key, port, port.every)
    return msgspec.structs.replace(front, outside=port.local) if port.service.external_local else front


def _mine(view: NodeView, addresses: Iterable[str], family: Family) -> Iterator[str]:
    for address in addresses:
        # The node's own resolver answers on the DNS address; a Service of that address must not take it away.
        if address not in view.config.dns_addresses and ipaddress.ip_address(address).version == family.version:
            yield address


def _serves(service: Service, family: Family) -> bool:
    return any(ipaddress.ip_address(a).version == family.version for a in service.cluster_ips)
