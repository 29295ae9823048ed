"""What the bytes of a Service's port are taken for."""

from __future__ import annotations

import pytest

from tandem.base.problems import Origin
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import Backend, Forward, Respond, Route, RouteMatch, RouteTable
from tandem.model.core import ServicePort
from tandem.translate.protocols import app_protocol, ports_named, routed_http


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
        ("httpd", "", AppProtocol.TCP),
        ("", "", AppProtocol.TCP),
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
    assert ports_named(tables) == {"a/b": {80, 81}, "a/c": frozenset()}


def test_where_grpc_requests_are_sent_is_named_too() -> None:
    origin = Origin(kind="GRPCRoute", name="gr")
    to = Forward(backends=(Backend(namespace="a", service="v1", port=70),))
    for grpc, named in ((True, {"a/b": frozenset(), "a/v1": {70}}), (False, {"a/b": frozenset()})):
        route = Route(name="r", matches=(RouteMatch(grpc=grpc),), action=to, origin=origin)
        assert ports_named([RouteTable(namespace="a", service="b", routes=(route,))]) == named
