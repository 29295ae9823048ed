"""A Service's port -> what its bytes are taken for (AppProtocol). Pure.

A port that says nothing of its protocol is HTTP where HTTP routes are about it. Else proxies find it out by what a
client sends first, unless the port is known for servers that speak before their clients do: then it is bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from tandem.ir.fabric import AppProtocol
from tandem.ir.gateway import Gateway, backends_of
from tandem.ir.mesh import BytesMatch, RouteTable, sent_to
from tandem.model.core import Service, ServicePort
from tandem.model.speakers import is_known, opaque_ports

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
    """By L4 protocol, then appProtocol, then the port name's prefix, else found out by the proxies."""
    if port.protocol != "TCP":
        return AppProtocol(port.protocol.lower())
    if port.app_protocol:
        return APP_PROTOCOLS.get(port.app_protocol.lower(), AppProtocol.TCP)
    name = port.name.lower()
    for prefix in _PREFIXES:
        if name == prefix or name.startswith(f"{prefix}-"):
            return APP_PROTOCOLS[prefix]
    return AppProtocol.DETECTED if undeclared(port) and not is_known(port) else AppProtocol.TCP


class PortsSaid(msgspec.Struct, frozen=True):
    """What others say of a Service's ports, where those say nothing themselves."""

    http: frozenset[int] | None = None
    """The ports that routes of requests name; None: there are none, empty: there are, and they name no port."""
    bytes: frozenset[int] = frozenset()
    """The ports that are nothing else; 0: all of them."""
    opaque: frozenset[int] = frozenset()
    """Those of which it is said that nobody shall look, which routes that do not name them do not change."""


NOTHING: Final = PortsSaid()
NO_PORTS: Final[Mapping[str, frozenset[int]]] = MappingProxyType({})


def apps(service: Service, said: PortsSaid | None) -> tuple[AppProtocol, ...]:
    """What each port of a Service is taken for."""
    said, ports = said or NOTHING, service.spec.ports
    http = routed_http(ports, said.http) if said.http is not None else frozenset[int]()
    opaque, _ = opaque_ports(service)
    http -= said.opaque - (said.http or frozenset())
    return tuple(_of(port, http, said.bytes | said.opaque | opaque) for port in ports)


def _of(port: ServicePort, http: frozenset[int], only_bytes: frozenset[int]) -> AppProtocol:
    own = app_protocol(port)
    if port.protocol == "TCP" and port.port in http:
        return AppProtocol.HTTP
    return AppProtocol.TCP if own is AppProtocol.DETECTED and {0, port.port} & only_bytes else own


def routed_http(ports: Iterable[ServicePort], named: Iterable[int]) -> frozenset[int]:
    """The ports that HTTP routes make HTTP: undeclared, and either named by a route or the Service's only one."""
    tcp = [p for p in ports if p.protocol == "TCP"]
    wanted = set(named)
    return frozenset(p.port for p in tcp if undeclared(p) and (len(tcp) == 1 or p.port in wanted))


def ports_said(
    tables: Iterable[RouteTable],
    gateways: Iterable[Gateway] = (),
    *others: Mapping[str, frozenset[int]],
    unread: Mapping[str, frozenset[int]] | None = None,
    opaque: Mapping[str, frozenset[int]] = NO_PORTS,
) -> dict[str, PortsSaid]:
    """What is said of ports, by `namespace/service`: `http` of every Service with routes of requests.

    Where those send requests, and copies of them, is among them: what is sent there is no more found out. So are the
    backends of gateways' routes, and `others`: ports at which requests are counted, or of which it is said elsewhere.
    Bytes are those that routes of connections are for, and `unread`; `opaque`: those at which nobody shall look.
    """
    tables = tuple(tables)
    only_bytes = {key: set(ports) for key, ports in (unread or {}).items()}
    for table in tables:
        ports = {p for route in table.bytes for match in route.matches or (BytesMatch(),) for p in match.ports or (0,)}
        if ports:
            only_bytes.setdefault(f"{table.namespace}/{table.service}", set()).update(ports)
    http = _ports_named(tables, gateways, others, only_bytes)
    return {
        key: PortsSaid(http.get(key), frozenset(only_bytes.get(key, ())), opaque.get(key, frozenset()))
        for key in sorted(http.keys() | only_bytes.keys() | opaque.keys())
    }


def _ports_named(
    tables: Iterable[RouteTable],
    gateways: Iterable[Gateway],
    others: Iterable[Mapping[str, frozenset[int]]],
    only_bytes: Mapping[str, set[int]],
) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for key, named in (entry for other in others for entry in other.items()):
        found.setdefault(key, set()).update(named)
    for table in (t for t in tables if t.routes or not t.bytes):
        ports = found.setdefault(f"{table.namespace}/{table.service}", set())
        ports.update(p for route in table.routes for match in route.matches for p in match.ports)
        for backend in (one for route in table.routes for one in sent_to(route)):
            key = f"{backend.namespace}/{backend.service}"
            if {0, backend.port}.isdisjoint(only_bytes.get(key, ())):  # its own routes say more than those to it
                found.setdefault(key, set()).add(backend.port)
    for gateway in gateways:
        for backend in backends_of(gateway):
            found.setdefault(f"{backend.namespace}/{backend.service}", set()).add(backend.port)
    return {key: frozenset(ports) for key, ports in found.items()}


def undeclared(port: ServicePort) -> bool:
    """Whether a port says nothing of its protocol."""
    prefix = port.name.lower().partition("-")[0]
    said = port.app_protocol or prefix in _BYTES or prefix in APP_PROTOCOLS
    return port.protocol == "TCP" and not said
