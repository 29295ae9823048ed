"""Closing Envoy's connections in a real namespace, and nobody else's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netns.podlab import ip, lab
from tandem.base.netns import in_netns
from tandem.base.problems import DriverError
from tandem.drivers.envoy.sockets import abort, abort_open
from tandem.drivers.link import netns as namespaces

pytestmark = pytest.mark.root


@pytest.fixture
def space() -> Iterator[str]:
    with lab() as spaces:
        path = spaces.add("pod")
        ip(path, "link", "set", "lo", "up")
        yield path


def connections(space: str, host: str) -> tuple[socket.socket, list[socket.socket]]:
    """A server at the loopback address in there, and two clients of it."""
    made: list[tuple[socket.socket, list[socket.socket]]] = []

    def work() -> None:
        handle = namespaces.open_netns(space)
        namespaces.enter(handle, space)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = socket.create_server((host, 8080), family=family)
        clients = [socket.socket(family) for _ in range(2)]
        for client in clients:
            client.settimeout(5)
            client.connect((host, 8080))
        made.append((server, clients))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return made[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_only_the_connections_named_are_closed(space: str, host: str) -> None:
    server, (envoy, application) = connections(space, host)
    peers = [server.accept()[0] for _ in range(2)]
    own, other = envoy.getsockname()[:2], (host, 8080)
    try:
        abort(space, [(own, (host, 9999)), ((host, 1), other)])
        envoy.send(b"still here")
        abort(space, [((host, 1), other), (own, other), (own, other)])
        with pytest.raises(OSError):  # noqa: PT011 - aborted or reset, as the kernel sees fit
            envoy.send(b"gone")
        assert application.send(b"left alone") == 10
        abort(space, [(other, application.getsockname()[:2])])  # as the server has it
        with pytest.raises(OSError):  # noqa: PT011
            peers[1].send(b"gone")
    finally:
        for one in (server, envoy, application, *peers):
            one.close()


def test_a_namespace_that_is_gone_is_a_driver_error(tmp_path: Path) -> None:
    abort(str(tmp_path / "nowhere"), ())
    with pytest.raises(DriverError, match="nowhere"):
        abort(str(tmp_path / "nowhere"), [(("127.0.0.1", 1), ("127.0.0.1", 2))])


def test_a_connection_that_has_ended_by_itself_takes_no_listening_socket_with_it(space: str) -> None:
    server, clients = connections(space, "127.0.0.1")
    gone = clients[0].getsockname()
    for client in clients:
        client.close()
    try:
        abort(
            space, [(("127.0.0.1", 8080), gone), (gone, ("127.0.0.1", 8080)), (("127.0.0.1", 8080), ("127.0.0.1", 1))]
        )
        in_netns(space, lambda: socket.create_connection(("127.0.0.1", 8080), 5).close())
    finally:
        server.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_all_that_is_open_is_closed_and_no_listening_socket(space: str, host: str) -> None:
    abort_open(space)
    server, clients = connections(space, host)
    peers = [server.accept()[0] for _ in range(2)]
    try:
        clients[0].close()
        peers[0].close()  # over: not this one
        abort_open(space)
        with pytest.raises(OSError):  # noqa: PT011 - aborted or reset, as the kernel sees fit
            clients[1].recv(1)
        in_netns(space, lambda: socket.create_connection((host, 8080), 5).close())
    finally:
        for one in (server, *clients, *peers):
            one.close()


def test_a_namespace_that_is_gone_has_no_sockets_to_tell_of(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="nowhere"):
        abort_open(str(tmp_path / "nowhere"))
