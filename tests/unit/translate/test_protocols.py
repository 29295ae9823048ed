"""What the bytes of a Service's port are taken for."""

from __future__ import annotations

import msgspec
import pytest

from builders import service
from tandem.base.problems import Origin
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import Backend, BytesMatch, BytesRoute, Forward, Mirror, Respond, Route, RouteMatch, RouteTable
from tandem.model.core import ServicePort, ServiceSpec
from tandem.translate.protocols import PortsSaid, app_protocol, apps, ports_said, routed_http


@pytest.mark.parametrize(
    ("name", "app", "expected"),
    [
        ("", "http", AppProtocol.HTTP),
        ("", "https", AppProtocol.TCP),
        ("", "grpc", AppProtocol.GRPC),
        ("", "kubernetes.io/h2c", AppProtocol.HTTP2),
        ("", "kubernetes.io/ws", AppProtocol.HTTP),
        ("", "kubernetes.io/wss", AppProtocol.TCP),
        ("http", "mysql", AppProtocol.TCP),
        ("http", "", AppProtocol.HTTP),
        ("http-web", "", AppProtocol.HTTP),
        ("http2-web", "", AppProtocol.HTTP2),
        ("grpc-api", "", AppProtocol.GRPC),
        ("grpc-web-x", "", AppProtocol.GRPC),
        ("https", "", AppProtocol.TCP),
        ("tls-x", "", AppProtocol.TCP),
        ("httpd", "", AppProtocol.DETECTED),
        ("web", "", AppProtocol.DETECTED),
        ("", "", AppProtocol.DETECTED),
        ("smtp-relay", "", AppProtocol.TCP),
        ("redis", "", AppProtocol.TCP),
    ],
)
def test_app_protocol_comes_before_the_name(name: str, app: str, expected: AppProtocol) -> None:
    assert app_protocol(ServicePort(port=80, name=name, app_protocol=app)) is expected


def test_udp_is_udp_whatever_its_name() -> None:
    assert app_protocol(ServicePort(port=53, name="http", protocol="UDP")) is AppProtocol.UDP


def test_a_route_makes_an_only_port_http_if_it_says_nothing_of_its_protocol() -> None:
    assert routed_http([ServicePort(port=80)], ()) == {80}
    assert routed_http([ServicePort(port=80, name="web")], ()) == {80}
    for port in (
        ServicePort(port=80, name="tcp"),
        ServicePort(port=80, name="mysql-x"),
        ServicePort(port=80, app_protocol="redis"),
        ServicePort(port=80, protocol="UDP"),
    ):
        assert routed_http([port], (80,)) == set()


def test_of_several_ports_the_route_must_name_the_one_it_means() -> None:
    ports = [ServicePort(port=80, name="web"), ServicePort(port=5432, name="db")]
    assert routed_http(ports, ()) == set()
    assert routed_http(ports, (80,)) == {80}


def test_the_ports_that_routes_name_are_gathered_by_service() -> None:
    origin = Origin(kind="VirtualService", name="vs")
    match = RouteMatch(ports=(80, 81))
    route = Route(name="r", matches=(match,), action=Respond(status=200), origin=origin)
    tables = [
        RouteTable(namespace="a", service="b", routes=(route,)),
        RouteTable(namespace="a", service="c", routes=()),
    ]
    assert ports_said(tables) == {"a/b": PortsSaid(frozenset({80, 81})), "a/c": PortsSaid(frozenset())}


def test_where_requests_and_copies_are_sent_is_named_too() -> None:
    origin = Origin(kind="HTTPRoute", name="r")
    to = Forward(backends=(Backend(namespace="a", service="v1", port=70),))
    copies = (Mirror(backend=Backend(namespace="a", service="v2", port=71)),)
    route = Route(name="r", matches=(), action=to, mirrors=copies, origin=origin)
    found = ports_said([RouteTable(namespace="a", service="b", routes=(route,))])
    assert {key: said.http for key, said in found.items()} == {"a/b": frozenset(), "a/v1": {70}, "a/v2": {71}}


def test_where_requests_are_sent_stays_bytes_if_its_own_routes_are_of_connections() -> None:
    origin = Origin(kind="VirtualService", name="r")
    to = Forward(backends=(Backend(namespace="a", service="v1", port=70),))
    own = BytesRoute(name="t", matches=(), backends=(), origin=origin)
    found = ports_said(
        [
            RouteTable(namespace="a", service="b", routes=(Route(name="r", matches=(), action=to, origin=origin),)),
            RouteTable(namespace="a", service="v1", routes=(), bytes=(own,)),
        ]
    )
    assert found["a/v1"] == PortsSaid(bytes=frozenset({0}))


def test_what_others_say_of_a_port_counts_where_it_says_nothing_itself() -> None:
    ports = (ServicePort(port=80), ServicePort(port=90, name="http"), ServicePort(port=100, name="tcp"))
    web = msgspec.structs.replace(service("web"), spec=ServiceSpec(ports=ports))
    detected, http, tcp = AppProtocol.DETECTED, AppProtocol.HTTP, AppProtocol.TCP
    assert apps(web, None) == (detected, http, tcp)
    assert apps(web, PortsSaid(frozenset({80, 100}))) == (http, http, tcp)
    assert apps(web, PortsSaid(bytes=frozenset({80, 90}))) == (tcp, http, tcp)
    assert apps(web, PortsSaid(bytes=frozenset({0}))) == (tcp, http, tcp)
    assert apps(web, PortsSaid(frozenset({80}), frozenset({80}))) == (http, http, tcp), "requests are asked for"


def test_routes_of_connections_make_their_ports_bytes() -> None:
    origin = Origin(kind="TCPRoute", name="t")
    for matches, ports in (((), {0}), ((BytesMatch(ports=(80,)),), {80}), ((BytesMatch(),), {0})):
        route = BytesRoute(name="r", matches=matches, backends=(), origin=origin)
        tables = [RouteTable(namespace="a", service="b", routes=(), bytes=(route,))]
        assert ports_said(tables) == {"a/b": PortsSaid(bytes=frozenset(ports))}
    assert ports_said([], unread={"a/b": frozenset({1})}) == {"a/b": PortsSaid(bytes=frozenset({1}))}


def test_what_nobody_shall_look_at_is_bytes_but_where_a_route_names_it() -> None:
    web = service("web", ports=[{"port": 80}])
    for http, app in ((None, AppProtocol.TCP), (frozenset[int](), AppProtocol.TCP), ({80}, AppProtocol.HTTP)):
        said = PortsSaid(frozenset(http) if http is not None else None, opaque=frozenset({80}))
        assert apps(web, said) == (app,)
    named = service("web", ports=[{"name": "http", "port": 80}])
    assert apps(named, PortsSaid(opaque=frozenset({80}))) == (AppProtocol.HTTP,)
    assert ports_said([], opaque={"a/b": frozenset({1})}) == {"a/b": PortsSaid(opaque=frozenset({1}))}
