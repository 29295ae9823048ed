"""Which endpoints may answer at this address? A slow and obvious evaluator of Service routing, as Kubernetes has it.

Comes in: a World, the node that the connection meets first, and what is dialled. Goes out: an Answer. The oracle of the
property test of Services; it shares no code with translation or compilation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

import msgspec

from tandem.base.addresses import family
from tandem.model import core
from tandem.model.world import World
from tandem.reference.ends import is_inside

Target = tuple[str, int]
_WITH_NODE_PORTS: Final = {"NodePort", "LoadBalancer"}


class Dialled(msgspec.Struct, frozen=True, kw_only=True):
    """A new connection. `inside`: it comes from a pod or from the node itself; `at_node`: the address is the node's."""

    source: str = ""
    address: str
    protocol: str
    port: int
    inside: bool
    at_node: bool = False
    inner: tuple[str, ...] = ()
    """Prefixes out of which the cluster gives addresses: what a Service calls external there is not."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`outcome`: reached (by one of `endpoints`), refused, dropped, or none: no Service is meant."""

    outcome: str
    endpoints: frozenset[Target] = frozenset()


def answer(world: World, node: str, dialled: Dialled) -> Answer:
    """What Kubernetes says of `dialled` on `node`; where several Services do, whoever was given the address."""
    served = [s for s in world.sorted(core.Service) if s.spec.type != "ExternalName" and _cluster_ips(s)]
    for service in sorted(served, key=lambda one: _claim(one, dialled.address)):
        for port in service.spec.ports:
            way = _way(service, port, dialled)
            if way:
                if dialled.address in _balancer(service) and not _may_dial(service, dialled.source):
                    return Answer(outcome="dropped")
                local = _is_local(service, way, inside=dialled.inside)
                return _choose(world, node, (service, port, family(dialled.address)), local=local)
    if any(dialled.address in (*_cluster_ips(s), *_balancer(s)) for s in world.sorted(core.Service)):
        return Answer(outcome="refused")
    return Answer(outcome="none")


def _claim(service: core.Service, address: str) -> int:
    """A cluster IP is its Service's; an address of a load balancer comes before one that somebody calls external."""
    claims = (_cluster_ips(service), _balancer(service), service.spec.external_ips)
    return next((i for i, given in enumerate(claims) if address in given), len(claims))


def is_own(service: core.Service, address: str) -> bool:
    """Whether an address is one of the Service's cluster IPs, which no range limits; a name stands for those."""
    return address in {"", "None", *_cluster_ips(service)}


def fronts(service: core.Service) -> tuple[str, ...]:
    """The addresses beside those by which it is dialled: of its load balancer, and external ones."""
    return (*_balancer(service), *service.spec.external_ips)


def ranges_for(service: core.Service, address: str) -> tuple[str, ...]:
    """The prefixes from which alone an address may be dialled; none: everyone may."""
    return service.spec.load_balancer_source_ranges if address in _balancer(service) else ()


def node_port_of(world: World, number: int, protocol: str, address: str) -> core.Service | None:
    """The Service that has a node port at a node's address."""
    dialled = Dialled(address=address, protocol=protocol, port=number, inside=True, at_node=True)
    for service in world.sorted(core.Service):
        served = service.spec.type != "ExternalName" and _cluster_ips(service)
        if served and number and any(_way(service, port, dialled) for port in service.spec.ports):
            return service
    return None


def _cluster_ips(service: core.Service) -> tuple[str, ...]:
    found = service.spec.cluster_ips or (service.spec.cluster_ip,)
    return tuple(a for a in found if a and a != "None")


def _balancer(service: core.Service) -> tuple[str, ...]:
    ingress = service.status.load_balancer.ingress if service.spec.type == "LoadBalancer" else ()
    return tuple(i.ip for i in ingress if i.ip)


def _way(service: core.Service, port: core.ServicePort, dialled: Dialled) -> str:
    """`internal` by a cluster IP, `external` by any other way; empty: this is not the port that is dialled."""
    if dialled.protocol != port.protocol:
        return ""
    if dialled.port == port.port and dialled.address in _cluster_ips(service):
        return "internal"
    outer = () if any(is_inside(dialled.address, p) for p in dialled.inner) else service.spec.external_ips
    if dialled.port == port.port and dialled.address in (*outer, *_balancer(service)):
        return "external"
    loopback = ipaddress.ip_address(dialled.address).is_loopback
    has_node_port = service.spec.type in _WITH_NODE_PORTS and port.node_port == dialled.port
    has_node_port = has_node_port and family(dialled.address) in map(family, _cluster_ips(service))
    return "external" if has_node_port and dialled.at_node and not loopback else ""


def _is_local(service: core.Service, way: str, *, inside: bool) -> bool:
    if way == "internal":
        return service.spec.internal_traffic_policy == "Local"
    return service.spec.external_traffic_policy == "Local" and not inside


Sought = tuple[core.Service, core.ServicePort, int]
"""A port of a Service, and the family by which it is dialled."""


def _choose(world: World, node: str, what: Sought, *, local: bool) -> Answer:
    everywhere = _usable(list(_endpoints(world, *what)))
    if not everywhere:
        return Answer(outcome="refused")
    if not local:
        return Answer(outcome="reached", endpoints=_hinted(world, node, what) or everywhere)
    here = _usable([e for e in _endpoints(world, *what) if e[0].node_name == node])
    return Answer(outcome="reached", endpoints=here) if here else Answer(outcome="dropped")


def _endpoints(
    world: World, service: core.Service, port: core.ServicePort, version: int
) -> Iterator[tuple[core.SliceEndpoint, int]]:
    for piece in world.slices_by_service.get(service.key, ()):
        for number in (p.port for p in piece.ports if p.name == port.name):
            here = (e for e in piece.endpoints if family(e.addresses[0]) == version)
            yield from ((e, number) for e in here if number is not None)


def _may_dial(service: core.Service, source: str) -> bool:
    ranges = service.spec.load_balancer_source_ranges
    return not ranges or any(is_inside(source, prefix.strip()) for prefix in ranges)


def _hinted(world: World, node: str, what: Sought) -> frozenset[Target]:
    """The ready endpoints whose hints name this node, else its zone; none unless every ready one has such hints."""
    ready = [(e, n) for e, n in _endpoints(world, *what) if e.conditions.ready is not False]
    labels = next((n.metadata.labels for n in world.sorted(core.Node) if n.metadata.name == node), {})
    for_nodes = [({place.name for place in e.hints.for_nodes}, e, n) for e, n in ready]
    for_zones = [({place.name for place in e.hints.for_zones}, e, n) for e, n in ready]
    for hints, here in ((for_nodes, node), (for_zones, labels.get("topology.kubernetes.io/zone"))):
        if all(places for places, _, _ in hints):
            found = frozenset((e.addresses[0], n) for places, e, n in hints if here in places)
            if found:
                return found
    return frozenset()


def _usable(endpoints: list[tuple[core.SliceEndpoint, int]]) -> frozenset[Target]:
    """The ready ones; if there is none, those that terminate and still serve."""
    ready = [(e, n) for e, n in endpoints if e.conditions.ready is not False]
    last = [(e, n) for e, n in endpoints if e.conditions.serving and e.conditions.terminating]
    return frozenset((e.addresses[0], n) for e, n in ready or last)
