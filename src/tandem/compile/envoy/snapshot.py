"""NodeView -> the xDS snapshot of the node's Envoy. Pure; each part is cached on the frozen values it is made of.

Envoy has nothing to do on a node without a meshed pod, and then gets nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from tandem.base.addresses import IPV4, family
from tandem.base.ids import SpiffeId
from tandem.compile.envoy.cluster import SHARED, app_cluster, service_clusters
from tandem.compile.envoy.endpoint import compile_endpoints
from tandem.compile.envoy.inbound import compile_inbound
from tandem.compile.envoy.outbound import compile_outbound, dialled
from tandem.compile.envoy.route import compile_route_config
from tandem.compile.envoy.scope import scopes_of
from tandem.compile.reach import local, near, serving
from tandem.ir.fabric import Endpoint, Endpoints, Service
from tandem.ir.mesh import TrafficPolicy
from tandem.ir.node import AttachedPod, NodeView
from tandem.state.xds import CLUSTER, ENDPOINT, LISTENER, ROUTE, Resource, Snapshot


def compile_envoy(view: NodeView) -> Snapshot:
    """Listeners and an application cluster per meshed pod; clusters, endpoints and routes shared by all of them."""
    meshed = sorted((attached for attached in view.pods if attached.pod.meshed), key=lambda a: a.pod.uid)
    if not meshed:
        return Snapshot(resources={kind: {} for kind in (CLUSTER, ENDPOINT, LISTENER, ROUTE)})
    clusters: list[Resource] = [*SHARED.values(), *(app_cluster(attached) for attached in meshed)]
    endpoints: list[Resource] = []
    for key in sorted(view.services):
        service, policy = view.services[key], view.policies.get(key)
        members = view.endpoints.get(key) or Endpoints(namespace=service.namespace, service=service.name, endpoints=())
        clusters.extend(
            service_clusters(
                service,
                policy=policy,
                identities=identities(members),
                trust_domain=view.config.trust_domain,
            )
        )
        endpoints.extend(_assignments(service, policy, reachable(view, service, members)))
    listeners, routes = _listeners(view, meshed)
    return Snapshot(
        resources={
            CLUSTER: _by_name(clusters),
            ENDPOINT: _by_name(endpoints),
            LISTENER: _by_name(listeners),
            ROUTE: _by_name(routes),
        }
    )


@lru_cache(maxsize=4096)
def identities(endpoints: Endpoints) -> tuple[SpiffeId, ...]:
    """The distinct identities behind a service, sorted."""
    return tuple(sorted({e.identity for e in endpoints.endpoints if e.identity is not None}))


def reachable(view: NodeView, service: Service, members: Endpoints) -> Endpoints:
    """Those that a client on this node uses, by internalTrafficPolicy and hints; as the kernel has it (`reach.py`)."""
    hinted = service.cluster_ips and any(e.for_zones or e.for_nodes for e in members.endpoints)
    if not service.internal_local and not hinted:
        return members
    ports: dict[Endpoint, list[tuple[str, int]]] = {}
    for name in sorted({port.name for port in service.ports}):
        for version in (4, 6):
            here = local(view.node, members, name, version)
            for endpoint, number in (
                here if service.internal_local else near(view.node, serving(members, name, version))
            ):
                ports.setdefault(endpoint, []).append((name, number))
    found = (
        msgspec.structs.replace(e, ports=tuple(ports[e])) for e in (*members.endpoints, *members.last) if e in ports
    )
    return Endpoints(namespace=members.namespace, service=members.service, endpoints=tuple(dict.fromkeys(found)))


def _assignments(service: Service, policy: TrafficPolicy | None, members: Endpoints) -> Iterable[Resource]:
    first = family(service.cluster_ips[0]) if service.cluster_ips else IPV4
    for port in service.ports:
        if port.protocol == "TCP":
            for subset in (None, *(policy.subsets if policy else ())):
                yield compile_endpoints(members, port, subset, first=first)


def _listeners(view: NodeView, meshed: list[AttachedPod]) -> tuple[list[Resource], list[Resource]]:
    listeners: list[Resource] = []
    routes: list[Resource] = []
    for attached in meshed:
        ports = dialled(scopes_of(view, attached.pod), view.endpoints)
        listeners.append(compile_inbound(attached, view.config.trust_domain))
        listeners.append(compile_outbound(attached, ports))
        routes.extend(compile_route_config(scope) for scope, _ in ports if scope.port.app.is_http)
    return listeners, routes


def _by_name(resources: Iterable[Resource]) -> dict[str, Resource]:
    return {resource.name: resource for resource in sorted(resources, key=lambda r: r.name)}
