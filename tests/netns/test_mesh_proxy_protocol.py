"""What a server is told of its client before all else, by a real Envoy (PROXY protocol, versions 1 and 2)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from meshbuild import RULE, attached, endpoints, service, view
from netns.meshapps import dial, listening
from netns.meshlab import Lab
from tandem.ir.fabric import AppProtocol, Endpoint
from tandem.ir.traffic import ClientTls, Traffic, TrafficPolicy

pytestmark = pytest.mark.root

A, X = "10.244.0.2", "10.244.0.9"
BYTES, WEB = "10.96.1.1", "10.96.1.2"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
"""Of version 2."""


class World:
    """Pod a of the mesh, and a server outside at ports of bytes and of requests."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {"a": lab.pod("a", A), "x": lab.pod("x", X)}
        self.sockets = {port: listening(self.ns["x"], port) for port in (9000, 8080)}

    def put(self, version: int) -> None:
        """Endpoints of both Services are told by this version."""
        traffic = Traffic(tls=ClientTls.DISABLE, proxy_protocol=version)
        services = {"bytes": (BYTES, AppProtocol.TCP, 9000), "web": (WEB, AppProtocol.HTTP, 8080)}
        parts = [
            part
            for name, (ip, app, port) in services.items()
            for part in (
                service(name, ip, ("main", 80, app)),
                endpoints(name, Endpoint(address=X, ports=(("main", port),))),
                TrafficPolicy(namespace="shop", service=name, traffic=traffic, origin=RULE),
            )
        ]
        self.lab.apply(view(attached("a", A, netns=str(self.ns["a"])), *parts))

    def heard(self, service_ip: str, port: int, data: bytes) -> bytes:
        """What the server reads when the client sends these bytes, until their end."""
        with contextlib.closing(dial(self.ns["a"], service_ip, 80)) as sock:
            sock.sendall(data)
            connection, _ = self.sockets[port].accept()
            with contextlib.closing(connection):
                connection.settimeout(5)
                found = b""
                while not found.endswith(data[-4:]):
                    found += connection.recv(4096)
                return found


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("pp") as lab:
        made = World(lab)
        for sock in made.sockets.values():
            sock.settimeout(8)
        try:
            yield made
        finally:
            for sock in made.sockets.values():
                sock.close()


def test_version_1_says_in_words_who_connects(world: World) -> None:
    world.put(1)
    told, _, rest = world.heard(BYTES, 9000, b"hello\r\n\r\n").partition(b"\r\n")
    assert told.split()[:3] == [b"PROXY", b"TCP4", A.encode()]
    assert rest == b"hello\r\n\r\n"
    told, _, rest = world.heard(WEB, 8080, b"GET / HTTP/1.1\r\nhost: web\r\n\r\n").partition(b"\r\n")
    assert told.split()[:3] == [b"PROXY", b"TCP4", A.encode()]
    assert rest.startswith(b"GET / HTTP/1.1\r\n")


def test_version_2_says_it_in_bytes(world: World) -> None:
    world.put(2)
    told = world.heard(BYTES, 9000, b"hello\r\n\r\n")
    assert told.startswith(SIGNATURE)
    assert told[16:20] == socket.inet_aton(A)
    assert told.endswith(b"hello\r\n\r\n")


def test_without_a_word_nothing_is_said(world: World) -> None:
    world.put(0)
    assert world.heard(BYTES, 9000, b"hello\r\n\r\n") == b"hello\r\n\r\n"
