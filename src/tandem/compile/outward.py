"""NodeView -> what this node shows to its neighbours: addresses of load balancers, and health checks. Pure.

One node answers for an address: of those that may (all that are ready and no label excludes; with
externalTrafficPolicy Local those with an endpoint) the one whose digest with the address is the least. So a node that
comes or goes moves no other's addresses.
"""

from __future__ import annotations

from collections.abc import Iterator

from tandem.base.digest import digest
from tandem.base.memo import same_as_before
from tandem.base.problems import Origin
from tandem.compile.gateways import fronted
from tandem.ir.fabric import Endpoints, Service
from tandem.ir.node import NodeView
from tandem.state.outward import HealthCheck, Outward


def compile_outward(view: NodeView) -> Outward:
    """What `view.node` answers for and tells; compiled once for each change of nodes or Services."""
    return _outward(fronted(view))


@same_as_before
def _outward(view: NodeView) -> Outward:
    return Outward(
        addresses=tuple(sorted({address for address, _ in _announced(view)})), checks=tuple(sorted(_checks(view)))
    )


def announced_for(view: NodeView) -> dict[str, Origin]:
    """Each address that this node answers for, and the Service or Gateway that it belongs to."""
    return _announced_for(fronted(view))


@same_as_before
def _announced_for(view: NodeView) -> dict[str, Origin]:
    return {
        address: service.origin or Origin(kind="Service", namespace=service.namespace, name=service.name)
        for address, service in _announced(view)
    }


def routed_to(view: NodeView) -> frozenset[str]:
    """The addresses that routers may send to this node.

    Those that it answers for, and with policy Local all that it has an endpoint for: then several nodes are next hops
    of one address (ECMP), each for its own endpoints.
    """
    return _routed_to(fronted(view))


@same_as_before
def _routed_to(view: NodeView) -> frozenset[str]:
    mine = {address for address, _ in _announced(view)}
    for service, candidates in _balanced(view):
        behind = _with_endpoints(view.endpoints.get(f"{service.namespace}/{service.name}"))
        if service.external_local and view.node.name in candidates & behind:
            mine.update(service.balancer_ips)
    return frozenset(mine)


def _announced(view: NodeView) -> Iterator[tuple[str, Service]]:
    for service, candidates in _balanced(view):
        for address in service.balancer_ips if candidates else ():
            if min(candidates, key=lambda node: digest(f"{address}/{node}")) == view.node.name:
                yield address, service


def _balanced(view: NodeView) -> Iterator[tuple[Service, set[str]]]:
    """Services with addresses of a load balancer, and the nodes that may answer for those."""
    nodes = {node.name: node for node in (*view.nodes.values(), view.node) if node.announces}
    ready = {str(name) for name, node in nodes.items() if node.ready} or set(map(str, nodes))
    for key in sorted(view.services):
        service = view.services[key]
        if not service.balancer_ips:
            continue
        candidates = ready
        if service.external_local:
            candidates = (_with_endpoints(view.endpoints.get(key)) & ready) or ready
        yield service, candidates


def _with_endpoints(endpoints: Endpoints | None) -> set[str]:
    """Nodes with an endpoint that is ready; if none has, those with one that still serves."""
    if endpoints is None:
        return set()
    ready = {str(e.node) for e in endpoints.endpoints if e.node is not None}
    return ready or {str(e.node) for e in endpoints.last if e.node is not None}


def _checks(view: NodeView) -> Iterator[HealthCheck]:
    for key, service in view.services.items():
        if service.health_port:
            known = view.endpoints.get(key)
            here = {e.address for e in (known.endpoints if known else ()) if e.ready and e.node == view.node.name}
            yield HealthCheck(
                port=service.health_port,
                namespace=service.namespace,
                service=service.name,
                endpoints=len(here),
            )
