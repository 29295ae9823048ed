"""Gateways of a node as the kernel sees them: Services whose one endpoint is the node's own address. Pure.

Ports of UDP are Services of their own: what comes there never reaches Envoy (`datagrams.py`). Datagrams of HTTP/3 do:
they go the way of the port's connections.

So an address of a gateway is answered, announced and translated as that of a Service of type LoadBalancer is. One that
lies in the network of Services is of the node itself, and no neighbour is told of it. Where a Service stands for the
gateway, what comes to its addresses goes the same way, and it is seen in the Service's place.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from tandem.base.addresses import family
from tandem.base.memo import equal_to_before, same_as_before
from tandem.compile.addresses import own_addresses
from tandem.compile.datagrams import SUFFIX, datagram_fronts
from tandem.ir.fabric import AppProtocol, Endpoint, Endpoints, Service, ServicePort
from tandem.ir.gateway import Gateway
from tandem.ir.node import NodeView, without_pods
from tandem.state.links import NodeNet

Front = tuple[Service, Endpoints]


def fronted(view: NodeView) -> NodeView:
    """`without_pods(view)` with the gateways among its Services: the very same view while none of both changes."""
    return _merged(without_pods(view), _kept(gateway_fronts(view)))


def with_gateways(net: NodeNet, view: NodeView) -> NodeNet:
    """`net`, where gateways have addresses of the network of Services: those are the node's own."""
    inner = {a for g in view.gateways.values() for a in g.addresses if _is_inner(a, view.config.service_cidrs)}
    return replace(net, addresses=tuple(sorted({*net.addresses, *inner}))) if inner else net


def with_gateways_behind(view: NodeView) -> NodeView:
    """`view` as Envoy sees it: behind a Service that stands for a gateway is the node's own address.

    The very same view without such a Service, and the same endpoints while none of it changes.
    """
    own = own_addresses(view.node.pod_cidrs)
    found: dict[str, Endpoints] = {}
    for gateway in view.gateways.values():
        service = view.standing_for(gateway)
        if service is not None:
            found[_key(service)] = _behind(service, gateway, own)
    return msgspec.structs.replace(view, endpoints=_with(view.endpoints, _as_before(found))) if found else view


def _behind(service: Service, gateway: Gateway, own: Mapping[int, str]) -> Endpoints:
    targets = {port.port: port.target for port in gateway.ports}
    ports = tuple((p.name, targets[p.port]) for p in service.ports if p.protocol == "TCP" and p.port in targets)
    versions = sorted(set(map(family, service.cluster_ips)) & own.keys())
    ends = tuple(Endpoint(address=own[version], ports=ports) for version in versions)
    return Endpoints(namespace=service.namespace, service=service.name, endpoints=ends)


@equal_to_before
def _as_before(found: dict[str, Endpoints]) -> dict[str, Endpoints]:
    return found


@same_as_before
def _with(endpoints: dict[str, Endpoints], found: dict[str, Endpoints]) -> dict[str, Endpoints]:
    return {**endpoints, **found}


@equal_to_before
def _kept(fronts: tuple[Front, ...]) -> tuple[Front, ...]:
    """The same object as before where nothing differs: routes of gateways change, and the kernel knows none."""
    return fronts


@same_as_before
def _merged(view: NodeView, fronts: tuple[Front, ...]) -> NodeView:
    if not fronts:
        return view
    services = {_key(service): service for service, _ in fronts}
    endpoints = {_key(service): behind for service, behind in fronts}
    return msgspec.structs.replace(
        view, services={**view.services, **services}, endpoints={**view.endpoints, **endpoints}
    )


def _key(service: Service) -> str:
    return f"{service.namespace}/{service.name}"


def gateway_fronts(view: NodeView) -> tuple[Front, ...]:
    """The Services that stand for the gateways, each with what is behind it."""
    own = own_addresses(view.node.pod_cidrs)
    gateways = [view.gateways[name] for name in sorted(view.gateways)]
    datagrams = (front for gateway in gateways for front in datagram_fronts(view, gateway))
    return (*(_front(gateway, own, view) for gateway in gateways), *datagrams)


def _front(gateway: Gateway, own: Mapping[int, str], view: NodeView) -> Front:
    service, reached = view.standing_for(gateway), view.reached_at(gateway)
    name = service.name if service is not None else f"{gateway.name}{SUFFIX}"
    entries = [(f"p{port.port}", port, "TCP") for port in gateway.ports]
    entries += [(f"q{port.port}", port, "UDP") for port in gateway.ports if port.http3]
    ports = tuple(
        ServicePort(name=entry, port=port.port, protocol=protocol, app=AppProtocol.TCP)
        for entry, port, protocol in entries
    )
    front = Service(
        namespace=gateway.namespace,
        name=name,
        cluster_ips=reached,
        balancer_ips=tuple(a for a in gateway.addresses if not _is_inner(a, view.config.service_cidrs)),
        ports=ports,
        origin=gateway.origin,
    )
    numbers = tuple((entry, port.target) for entry, port, _ in entries)
    versions = sorted(set(map(family, reached)) & own.keys())
    behind = tuple(Endpoint(address=own[version], ports=numbers, node=view.node.name) for version in versions)
    return front, Endpoints(namespace=gateway.namespace, service=name, endpoints=behind)


def _is_inner(address: str, cidrs: Iterable[str]) -> bool:
    parsed = ipaddress.ip_address(address)
    return any(parsed in ipaddress.ip_network(cidr) for cidr in cidrs)
