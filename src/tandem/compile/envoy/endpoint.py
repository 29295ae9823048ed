"""Endpoints of a service -> one ClusterLoadAssignment per service port, and per subset of it."""

from __future__ import annotations

from functools import lru_cache

from tandem.compile import names
from tandem.compile.envoy import tls
from tandem.compile.envoy.proto import Json, socket_address
from tandem.ir.fabric import Endpoint, Endpoints, ServicePort
from tandem.ir.mesh import Subset
from tandem.state.xds import Resource


def _lb_endpoint(endpoint: Endpoint, port: int) -> Json:
    body: dict[str, object] = {"endpoint": {"address": socket_address(endpoint.address, port)}}
    if endpoint.identity is not None:
        body["metadata"] = {"filter_metadata": {"envoy.transport_socket_match": {tls.MATCH_KEY: tls.MATCH_MTLS}}}
    return body


@lru_cache(maxsize=4096)
def compile_endpoints(endpoints: Endpoints, port: ServicePort, subset: Subset | None = None) -> Resource:
    """The assignment of a port; a subset keeps the endpoints that carry all of its labels."""
    name = names.service_cluster(endpoints.namespace, endpoints.service, port.port, subset.name if subset else "")
    wanted = set(subset.labels) if subset else set()
    members = [
        _lb_endpoint(endpoint, number)
        for endpoint in endpoints.endpoints
        if wanted <= set(endpoint.labels)
        for port_name, number in endpoint.ports
        if port_name == port.name
    ]
    body: dict[str, object] = {"cluster_name": name}
    if members:
        body["endpoints"] = [{"lb_endpoints": members}]
    return Resource(name=name, body=body)
