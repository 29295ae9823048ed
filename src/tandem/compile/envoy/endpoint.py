"""Endpoints of a service -> one ClusterLoadAssignment per service port, and per subset of it.

A pod that has addresses of both families behind a service is one host with two addresses: the service's first family is
tried first, the other where that one does not answer (RFC 8305, by Envoy).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from tandem.base.addresses import IPV4, family
from tandem.base.ids import SpiffeId
from tandem.compile import names
from tandem.compile.envoy import tls
from tandem.compile.envoy.locality import Band, Outlook, grouped
from tandem.compile.envoy.proto import Json, socket_address
from tandem.ir.fabric import Endpoint, Endpoints, ServicePort
from tandem.ir.locality import NOWHERE
from tandem.ir.traffic import Subset
from tandem.state.xds import Resource

_TO_THE_LAST: Final[Json] = {"overprovisioning_factor": 100_000}
"""So many per cent of what is needed: while one endpoint is left nothing goes elsewhere."""


def _lb_endpoint(hosts: list[Endpoint], port: int) -> Json:
    first, *more = (socket_address(endpoint.address, port) for endpoint in hosts)
    inner: dict[str, object] = {"address": first}
    if more:
        inner["additional_addresses"] = [{"address": other} for other in more]
    body: dict[str, object] = {"endpoint": inner}
    if hosts[0].identity is not None:
        body["metadata"] = {"filter_metadata": {"envoy.transport_socket_match": {tls.MATCH_KEY: tls.MATCH_MTLS}}}
    if hosts[0].weight != 1:
        body["load_balancing_weight"] = hosts[0].weight
    return body


@lru_cache(maxsize=4096)
def compile_endpoints(
    endpoints: Endpoints,
    port: ServicePort,
    subset: Subset | None = None,
    *,
    first: int = IPV4,
    outlook: Outlook | None = None,
) -> Resource:
    """The assignment of a port; a subset keeps the endpoints that carry all of its labels. `first`: its family.

    `outlook`: how near each one is to the clients, whose localities are filled in; None: they are alike.
    """
    name = names.service_cluster(endpoints.namespace, endpoints.service, port.port, subset.name if subset else "")
    wanted = set(subset.labels) if subset else set()
    members = [
        (_lb_endpoint(both, number), both[0])
        for (_, _, number), hosts in _pods(endpoints, port, wanted).items()
        for host in hosts
        for both in [sorted(host.values(), key=lambda endpoint: family(endpoint.address) != first)]
    ]
    body: dict[str, object] = {"cluster_name": name}
    if outlook is not None:
        groups = [_group(group, band) for band, group in grouped(members, outlook)]
    else:
        groups = [{"lb_endpoints": [member for member, _ in members]}] if members else []
    if groups:
        body["endpoints"] = groups
    return Resource(name=name, body=body)


def _group(members: list[Json], band: Band) -> Json:
    where = band.locality
    parts = {"region": where.region, "zone": where.zone, "sub_zone": where.subzone}
    return {
        "lb_endpoints": members,
        **({"locality": {k: v for k, v in parts.items() if v}} if where != NOWHERE else {}),
        **({"priority": band.priority} if band.priority else {}),
        **({"load_balancing_weight": band.weight} if band.weight else {}),
    }


def standing_alone(assignment: Resource) -> Resource:
    """The endpoints of a cluster for which others stand in: not before the last one is unhealthy."""
    name = names.alone(assignment.name)
    return Resource(name=name, body={**assignment.body, "cluster_name": name, "policy": _TO_THE_LAST})


def renamed(assignment: Resource, name: str) -> Resource:
    """The same endpoints for another cluster."""
    return Resource(name=name, body={**assignment.body, "cluster_name": name})


def _pods(
    endpoints: Endpoints, port: ServicePort, labels: set[tuple[str, str]]
) -> dict[tuple[str, SpiffeId | None, int], list[dict[int, Endpoint]]]:
    """Pod, identity and port -> its hosts, each with one address of a family at most."""
    found: dict[tuple[str, SpiffeId | None, int], list[dict[int, Endpoint]]] = {}
    for endpoint in endpoints.endpoints:
        for name, number in endpoint.ports:
            if name != port.name or not labels <= set(endpoint.labels):
                continue
            hosts = found.setdefault((endpoint.pod or endpoint.address, endpoint.identity, number), [])
            version = family(endpoint.address)
            free = next((host for host in hosts if version not in host), None)
            if free is None:
                hosts.append({version: endpoint})
            else:
                free[version] = endpoint
    return found
