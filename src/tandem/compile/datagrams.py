"""Ports of UDP of a node's gateways -> Services whose endpoints the kernel gives shares by weight. Pure.

The datagrams of a client's socket are one connection to the kernel, which stays with the endpoint that its first one
got. A backend's weight is divided among its endpoints; one that does not exist, may not be used or has no endpoint
keeps its part, and what falls to it is dropped (UDPRoute API docs, rules.backendRefs).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import lcm
from typing import Final

from tandem.base.addresses import families, family
from tandem.compile.reach import Served, near, serving
from tandem.ir.fabric import AppProtocol, Endpoint, Endpoints, Service, ServicePort
from tandem.ir.gateway import Gateway
from tandem.ir.mesh import Backend, BytesRoute
from tandem.ir.node import NodeView

MOST: Final = 1000
"""Shares of one port: where weights need more, they are rounded to so many."""
SUFFIX: Final = "~gateway"
"""Ends the names of Services that stand for gateways: no Service of the API can have it."""
_PORT: Final = "datagrams"


def datagram_fronts(view: NodeView, gateway: Gateway) -> Iterator[tuple[Service, Endpoints]]:
    """One for each port of UDP and IP version."""
    for port in gateway.datagrams:
        reached = view.reached_at(gateway)
        for version in families(reached):
            name = f"{gateway.name}{SUFFIX}~{port.port}~{version}"
            counts, whole = shares_of(view, port.route, version)
            front = ServicePort(name=_PORT, port=port.port, protocol="UDP", app=AppProtocol.TCP)
            service = Service(
                namespace=gateway.namespace,
                name=name,
                cluster_ips=tuple(a for a in reached if family(a) == version),
                ports=(front,),
                shares=whole,
            )
            ends = tuple(_endpoint(target, counts[target]) for target in sorted(counts))
            yield service, Endpoints(namespace=gateway.namespace, service=name, endpoints=ends)


def shares_of(view: NodeView, route: BytesRoute | None, version: int) -> tuple[dict[tuple[str, int], int], int]:
    """How many shares each address and port has, and how many there are: those of nobody lead nowhere."""
    parts: dict[tuple[str, int], Fraction] = {}
    lost = Fraction(0 if route is not None and route.backends else 1)
    for backend in route.backends if route is not None else ():
        ends = {(end.address, number) for end, number in _served(view, backend, version)}
        for target in ends:
            parts[target] = parts.get(target, Fraction(0)) + Fraction(backend.weight, len(ends))
        lost += 0 if ends else backend.weight
    whole = sum(parts.values(), lost)
    every = lcm(*((part / whole).denominator for part in (*parts.values(), lost)))
    of = min(every, MOST)
    counts = {target: max(1, round(part * of / whole)) for target, part in parts.items()}
    dropped = max(1, round(lost * of / whole)) if lost else 0
    return counts, sum(counts.values()) + dropped


def _served(view: NodeView, backend: Backend, version: int) -> list[Served]:
    key = f"{backend.namespace}/{backend.service}"
    service = view.services.get(key)
    ports = service.ports if service is not None else ()
    name = next((p.name for p in ports if (p.port, p.protocol) == (backend.port, "UDP")), None)
    return [] if name is None else list(near(view.node, serving(view.endpoints.get(key), name, version)))


def _endpoint(target: tuple[str, int], weight: int) -> Endpoint:
    address, number = target
    return Endpoint(address=address, ports=((_PORT, number),), weight=weight)
