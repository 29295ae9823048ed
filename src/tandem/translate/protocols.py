"""A Service's port -> what its bytes are taken for (AppProtocol). Pure.

A port that says nothing of its protocol is bytes, unless HTTP routes are about it: then the routes say it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tandem.ir.fabric import AppProtocol
from tandem.ir.gateway import Gateway, backends_of
from tandem.ir.mesh import Backend, Forward, RouteTable
from tandem.model.core import ServicePort

APP_PROTOCOLS: Final[dict[str, AppProtocol]] = {
    "http": AppProtocol.HTTP,
    "http2": AppProtocol.HTTP2,
    "grpc": AppProtocol.GRPC,
    "grpc-web": AppProtocol.GRPC,
    "kubernetes.io/h2c": AppProtocol.HTTP2,
    "kubernetes.io/ws": AppProtocol.HTTP,
}
"""What is parsed as requests. A server behind grpc-web speaks gRPC, as in Istio: its clients are what differs.

Every other value of appProtocol is bytes (https, tls, mysql, kubernetes.io/wss…).
"""
_BYTES: Final = ("https", "tls", "tcp", "mongo", "mysql", "redis")
_PREFIXES: Final = ("grpc-web", "grpc", "http2", "http")


def app_protocol(port: ServicePort) -> AppProtocol:
    """By L4 protocol, then appProtocol, then the port name's prefix, else bytes."""
    if port.protocol != "TCP":
        return AppProtocol(port.protocol.lower())
    if port.app_protocol:
        return APP_PROTOCOLS.get(port.app_protocol.lower(), AppProtocol.TCP)
    name = port.name.lower()
    for prefix in _PREFIXES:
        if name == prefix or name.startswith(f"{prefix}-"):
            return APP_PROTOCOLS[prefix]
    return AppProtocol.TCP


def routed_http(ports: Iterable[ServicePort], named: Iterable[int]) -> frozenset[int]:
    """The ports that HTTP routes make HTTP: undeclared, and either named by a route or the Service's only one."""
    tcp = [p for p in ports if p.protocol == "TCP"]
    wanted = set(named)
    return frozenset(p.port for p in tcp if undeclared(p) and (len(tcp) == 1 or p.port in wanted))


def ports_named(
    tables: Iterable[RouteTable],
    gateways: Iterable[Gateway] = (),
    *others: Mapping[str, frozenset[int]],
) -> dict[str, frozenset[int]]:
    """The ports that routes name, by `namespace/service`; a key for every Service with routes.

    Backends of gRPC's routes are among them: HTTP/1.1 is not what they speak (GRPCRoute API docs, GRPCBackendRef). So
    are those of gateways' routes, and `others`: those at which requests are counted, or of which it is said elsewhere.
    """
    found: dict[str, set[int]] = {}
    for key, named in (entry for other in others for entry in other.items()):
        found.setdefault(key, set()).update(named)
    for table in (t for t in tables if t.routes or not t.bytes):
        ports = found.setdefault(f"{table.namespace}/{table.service}", set())
        ports.update(p for route in table.routes for match in route.matches for p in match.ports)
        for backend in _grpc_backends(table):
            found.setdefault(f"{backend.namespace}/{backend.service}", set()).add(backend.port)
    for gateway in gateways:
        for backend in backends_of(gateway):
            found.setdefault(f"{backend.namespace}/{backend.service}", set()).add(backend.port)
    return {key: frozenset(ports) for key, ports in found.items()}


def _grpc_backends(table: RouteTable) -> Iterator[Backend]:
    for route in table.routes:
        if isinstance(route.action, Forward) and any(match.grpc for match in route.matches):
            yield from route.action.backends


def undeclared(port: ServicePort) -> bool:
    """Whether a port says nothing of its protocol."""
    prefix = port.name.lower().partition("-")[0]
    said = port.app_protocol or prefix in _BYTES or app_protocol(port).is_http
    return port.protocol == "TCP" and not said
