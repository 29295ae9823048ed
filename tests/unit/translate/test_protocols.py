"""What the bytes of a Service's port are taken for."""

from __future__ import annotations

import pytest

from tandem.ir.fabric import AppProtocol
from tandem.model.core import ServicePort
from tandem.translate.protocols import app_protocol


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
        ("grpc-web-x", "", AppProtocol.HTTP),
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
