"""A Service's port -> what its bytes are taken for (AppProtocol). Pure."""

from __future__ import annotations

from typing import Final

from tandem.ir.fabric import AppProtocol
from tandem.model.core import ServicePort

APP_PROTOCOLS: Final[dict[str, AppProtocol]] = {
    "http": AppProtocol.HTTP,
    "http2": AppProtocol.HTTP2,
    "grpc": AppProtocol.GRPC,
    "grpc-web": AppProtocol.HTTP,
    "kubernetes.io/h2c": AppProtocol.HTTP2,
    "kubernetes.io/ws": AppProtocol.HTTP,
}
"""What is parsed as requests; every other value of appProtocol is bytes (https, tls, mysql, kubernetes.io/wss…)."""
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
