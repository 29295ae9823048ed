"""Closing Envoy's connections in a real namespace, and nobody else's."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.envoy.sockets import abort_upstream
from tandem.drivers.link import netns as namespaces
from tandem.state.ownership import ENVOY_MARK

pytestmark = pytest.mark.root
NAME = "tdsock-test"


@pytest.fixture
def space() -> Iterator[str]:
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    subprocess.run(["ip", "-n", NAME, "link", "set", "lo", "up"], check=True)
    try:
        yield f"/run/netns/{NAME}"
    finally:
        subprocess.run(["ip", "netns", "delete", NAME], check=True)


def connections(space: str, host: str) -> tuple[socket.socket, list[socket.socket]]:
    """A server at the loopback address in there, and two clients of it: one with Envoy's mark, one without."""
    made: list[tuple[socket.socket, list[socket.socket]]] = []

    def work() -> None:
        handle = namespaces.open_netns(space)
        namespaces.enter(handle, space)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = socket.create_server((host, 8080), family=family)
        clients = [socket.socket(family) for _ in range(2)]
        clients[0].setsockopt(socket.SOL_SOCKET, socket.SO_MARK, ENVOY_MARK)
        for client in clients:
            client.settimeout(5)
            client.connect((host, 8080))
        made.append((server, clients))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return made[0]


@pytest.mark.parametrize(("host", "elsewhere"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_only_connections_with_envoys_mark_are_closed(space: str, host: str, elsewhere: str) -> None:
    server, (envoy, application) = connections(space, host)
    peers = [server.accept()[0] for _ in range(2)]
    try:
        abort_upstream(space, [(host, 9999), (elsewhere, 8080)])
        envoy.send(b"still here")
        abort_upstream(space, [(host, 9999), (host, 8080)])
        with pytest.raises(OSError):  # noqa: PT011 - aborted or reset, as the kernel sees fit
            envoy.send(b"gone")
        assert application.send(b"left alone") == 10
    finally:
        for one in (server, envoy, application, *peers):
            one.close()


def test_a_namespace_that_is_gone_is_a_driver_error(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="nowhere"):
        abort_upstream(str(tmp_path / "nowhere"), [("127.0.0.1", 1)])
