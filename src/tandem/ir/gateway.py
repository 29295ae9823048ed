"""Gateways in our vocabulary: addresses and ports at which requests from outside come in, and where they go."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from tandem.base.ids import SpiffeId
from tandem.base.problems import Origin
from tandem.ir.authn import JwtRule
from tandem.ir.authz import AuthzPolicy
from tandem.ir.mesh import Backend, BytesRoute, Forward, Route, sent_to
from tandem.ir.paths import Paths
from tandem.ir.tlsterms import TlsTerms
from tandem.ir.traffic import ClientTls, Origination


class Sessions(StrEnum):
    """What a listener of a port with TLS does with its sessions."""

    REQUESTS = "requests"
    """They end there, and the requests in them are read."""
    TERMINATE = "terminate"
    """They end there, and the bytes in them are handed on."""
    PASSTHROUGH = "passthrough"
    """They are handed on as they are: no certificate is shown."""


class HostRoutes(msgspec.Struct, frozen=True, kw_only=True):
    """The routes for requests to one host, in order: what none of them matches is answered with 404.

    `host` is a name, `*.` and a name (any host below it), or `*` (every host).
    """

    host: str
    routes: tuple[Route, ...] = ()


class GatewayListener(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a port: the hosts that belong to it and to no other listener of the port.

    `hostname` is as `HostRoutes.host`; `hosts` are within it, each with the listener that is the most specific for it.
    """

    name: str
    hostname: str
    hosts: tuple[HostRoutes, ...] = ()
    certificates: tuple[str, ...] = ()
    """Names of the pairs of certificate and key that clients are shown; where sessions end none: nobody is served."""
    connections: BytesRoute | None = None
    """Of a port of bytes: where its connections go; None: they are closed."""
    sessions: Sessions = Sessions.REQUESTS
    named: tuple[BytesRoute, ...] = ()
    """Of sessions whose bytes are handed on: where they go by the names in `matches`, each in one of them, within
    the host names and of no other listener; without a match: whatever the listener is for. All other names are refused.
    """
    others: tuple[str, ...] = ()
    """Further host names of the same form as `hostname`, which are its own in the same way."""
    terms: TlsTerms = TlsTerms()
    grpc_web: bool = False
    """Clients of its port may speak gRPC-Web, whatever the routes are about."""
    http3: bool = False
    """Its requests are taken by QUIC too, at the port of UDP with the same number."""
    origin: Origin

    @property
    def hostnames(self) -> tuple[str, ...]:
        """All host names that it is for."""
        return (self.hostname, *self.others)

    @property
    def asked(self) -> tuple[str, ...]:
        """The names in TLS by which it is chosen; one for every host is chosen whatever else it names."""
        return ("*",) if "*" in self.hostnames else self.hostnames

    @property
    def can_end(self) -> bool:
        """There is a certificate to end TLS with."""
        return bool(self.certificates) or self.terms.mesh is not None


class BackendTls(msgspec.Struct, frozen=True, kw_only=True):
    """How a gateway opens connections to a port of a Service that speaks TLS: SIMPLE, or REFUSE for not at all."""

    namespace: str
    service: str
    port: int
    tls: ClientTls
    origination: Origination = Origination()
    origin: Origin


class GatewayPort(msgspec.Struct, frozen=True, kw_only=True):
    """A port of the gateway's addresses; `target` is the port of the node's own address that it leads to."""

    port: int
    target: int
    tls: bool
    """Listeners are chosen by the SNI that the client sends; plain text: by the host of each request."""
    bytes: bool = False
    """Connections are handed on as they are: no request of it is read, and it has one listener."""
    listeners: tuple[GatewayListener, ...]

    @property
    def reads_requests(self) -> bool:
        """Some listener of it does."""
        return not self.bytes and any(one.sessions is Sessions.REQUESTS for one in self.listeners)

    @property
    def http3(self) -> bool:
        """Some listener of it takes HTTP/3."""
        return any(one.http3 for one in self.listeners)

    @property
    def hands_on(self) -> bool:
        """Some listener of it hands on bytes."""
        return self.bytes or any(one.sessions is not Sessions.REQUESTS for one in self.listeners)


class DatagramPort(msgspec.Struct, frozen=True, kw_only=True):
    """A port of UDP, whose datagrams the kernel hands on. Without a route, or a backend, they are dropped."""

    port: int
    route: BytesRoute | None
    origin: Origin


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway; `identity` is who it is to the pods that it calls."""

    namespace: str
    name: str
    identity: SpiffeId
    addresses: tuple[str, ...]
    ports: tuple[GatewayPort, ...]
    datagrams: tuple[DatagramPort, ...] = ()
    authorization: tuple[AuthzPolicy, ...] = ()
    """Sorted by action and origin."""
    authentication: tuple[JwtRule, ...] = ()
    """Sorted by issuer and origin."""
    service: str = ""
    """The Service of its namespace that stands for it: what comes to that one's own addresses comes to the gateway."""
    trusted_hops: int = 0
    """So many proxies in front of it say in `x-forwarded-for` who the client is."""
    labels: tuple[tuple[str, str], ...] = ()
    """Those that its pods would have where others are told of it; some installations give other values to one."""
    paths: Paths = Paths.EDGE
    backend_tls: tuple[BackendTls, ...] = ()
    """Sorted by namespace, Service and port; others are spoken to by mTLS of the mesh, or in plain text."""
    origin: Origin


def certificates_of(gateway: Gateway) -> frozenset[str]:
    """Names of the pairs of certificate and key that it shows, to clients and to backends."""
    shown = {name for port in gateway.ports for listener in port.listeners for name in listener.certificates}
    return frozenset(shown | {one.origination.certificate for one in gateway.backend_tls} - {""})


def routes_of(gateway: Gateway) -> Iterator[Route]:
    """Every route, once for each host that it is for."""
    for port in gateway.ports:
        for listener in port.listeners:
            for host in listener.hosts:
                yield from host.routes


def connections_of(gateway: Gateway) -> Iterator[BytesRoute]:
    """The routes of its connections, and of its sessions that are handed on."""
    for port in gateway.ports:
        yield from connections_at(port)


def connections_at(port: GatewayPort) -> Iterator[BytesRoute]:
    """The same of one port."""
    for listener in port.listeners:
        yield from routes_from(listener)


def routes_from(listener: GatewayListener) -> Iterator[BytesRoute]:
    """The same of one listener."""
    if listener.connections is not None:
        yield listener.connections
    yield from listener.named


def destinations_of(gateway: Gateway) -> Iterator[Backend]:
    """Where anything may go that reaches it: requests, copies of them, and connections."""
    yield from backends_of(gateway)
    for route in connections_of(gateway):
        yield from route.backends


def opened_of(gateway: Gateway) -> Iterator[Backend]:
    """The same without `passed_of`."""
    yield from backends_of(gateway)
    yield from _bytes_to(gateway, passed=False)


def passed_of(gateway: Gateway) -> Iterator[Backend]:
    """Where sessions of TLS are handed on as they are: what is opened there is the client's affair."""
    yield from _bytes_to(gateway, passed=True)


def _bytes_to(gateway: Gateway, *, passed: bool) -> Iterator[Backend]:
    for port in gateway.ports:
        for listener in port.listeners:
            for route in routes_from(listener) if passed is (listener.sessions is Sessions.PASSTHROUGH) else ():
                yield from route.backends


def grpc_backends_of(gateway: Gateway) -> Iterator[Backend]:
    """Those of routes that match requests of gRPC alone."""
    for route in routes_of(gateway):
        if isinstance(route.action, Forward) and any(match.grpc for match in route.matches):
            yield from route.action.backends


def backends_of(gateway: Gateway) -> Iterator[Backend]:
    """Where requests, copies of requests, and questions about them may go."""
    for route in routes_of(gateway):
        yield from sent_to(route)
