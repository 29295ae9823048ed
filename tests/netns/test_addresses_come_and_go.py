"""Addresses at which a Service is dialled come and go: open connections go on, unless the Service itself goes."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from meshbuild import attached, endpoint, endpoints, service, strict, view
from netns.meshapps import dial, greeter_app, read_all
from netns.meshlab import Lab
from tandem.ir.fabric import AppProtocol

pytestmark = pytest.mark.root

A, B, C = "10.244.0.2", "10.244.0.3", "10.244.0.4"
WEB = "10.96.1.1"
DRAINED = 2.5
"""The lab's Envoy drains for a second."""


class World:
    """Pod a calls b and c, which take nothing but mTLS: by a headless Service, and b by one with an address."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {name: lab.pod(name, address) for name, address in zip("abc", (A, B, C), strict=True)}

    def put(self, *members: str, web: bool = True) -> None:
        modes = {name: () if name == "a" else strict(0) for name in "abc"}
        pods = {
            name: attached(name, address, netns=str(self.ns[name]), mtls=modes[name])
            for name, address in zip("abc", (A, B, C), strict=True)
        }
        tcp = ("tcp", 9000, AppProtocol.TCP)
        parts: list[Any] = [
            service("db", "", tcp),
            endpoints("db", *(endpoint(pods[name], tcp=9000) for name in members)),
        ]
        if web:
            parts += [service("web", WEB, tcp), endpoints("web", endpoint(pods["b"], tcp=9000))]
        self.lab.apply(view(*pods.values(), *parts))

    @contextlib.contextmanager
    def connection(self, address: str) -> Iterator[socket.socket]:
        with contextlib.closing(dial(self.ns["a"], address, 9000)) as sock:
            assert sock.recv(100) == f"hello {A}\n".encode()
            yield sock


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("acg") as lab:
        made = World(lab)
        with greeter_app(made.ns["b"], 9000), greeter_app(made.ns["c"], 9000):
            yield made


def answers(sock: socket.socket) -> bool:
    sock.sendall(b"still there?")
    return sock.recv(100) == b"still there?"


def test_an_endpoint_of_a_headless_service_that_comes_or_goes_ends_no_connection_to_the_others(world: World) -> None:
    world.put("b")
    with world.connection(B) as kept:
        world.put("b", "c")
        time.sleep(DRAINED)
        assert answers(kept)
        with world.connection(C) as new:  # with mTLS, without which c takes nothing
            world.put("b")
            time.sleep(DRAINED)
            assert answers(kept)
            assert answers(new)


def test_the_connections_of_a_service_that_goes_end(world: World) -> None:
    world.put("b")
    with world.connection(WEB) as ended, world.connection(B) as kept:
        world.put("b", web=False)
        time.sleep(DRAINED)
        assert read_all(ended) == b""
        assert answers(kept)
