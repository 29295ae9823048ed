"""WebSockets (RFC 6455) through both Envoys with mTLS, and from outside, between two ends of the library."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.http11 import Request, Response
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from meshbuild import attached, endpoint, endpoints, identity, service, strict, view
from netns.meshapps import dial, listening
from netns.meshlab import Lab
from netns.shoplab import route
from netns.test_mesh_traffic import asks
from tandem.ir.fabric import AppProtocol, MtlsMode, PortMtls
from tandem.ir.mesh import Backend, Forward, PathPrefix, Respond, Retry, Route, RouteMatch, RouteTable

pytestmark = pytest.mark.root

ADDRESSES = {"a": "10.244.0.2", "b": "10.244.0.3", "plain": "10.244.0.4"}
PLAIN, ROUTED, PORT = "10.96.1.1", "10.96.1.2", 8080
TIMEOUT_MS = 300
LARGE = b"\0\xff" * 500_000
TO = Forward(backends=(Backend(namespace="shop", service="plain", port=80),))
ROUTES = (
    route(
        "bounded",
        TO,
        RouteMatch(path=PathPrefix("/bounded")),
        timeout_ms=TIMEOUT_MS,
        retry=Retry(attempts=2, retry_on=("5xx",), per_try_timeout_ms=TIMEOUT_MS),
    ),
    route("shut", Respond(status=403), RouteMatch(path=PathPrefix("/shut"))),
    route("all", TO),
)


def _answer(socket: ServerConnection) -> None:
    """Says who calls and repeats everything, until it is told to close."""
    assert socket.request is not None
    socket.send(f"{socket.request.path} {socket.request.headers.get('x-forwarded-client-cert', '')}")
    for message in socket:
        if message == "close":
            socket.close(4001, "as you wish")
            return
        socket.send(message)


def _refuse(socket: ServerConnection, request: Request) -> Response | None:
    return socket.respond(418, "tea") if request.path == "/teapot" else None


@contextlib.contextmanager
def sockets(netns: Path) -> Iterator[None]:
    """The server of WebSockets; it sends no pings, so that silence is silence."""
    made = serve(_answer, sock=listening(netns, PORT), process_request=_refuse, ping_interval=None)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    try:
        yield
    finally:
        made.shutdown()
        thread.join()


class World:
    """Pod a of the mesh and a plain pod open WebSockets to b of the mesh."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {name: lab.pod(name, address) for name, address in ADDRESSES.items()}

    def put(
        self, mode: MtlsMode = MtlsMode.PERMISSIVE, *, routes: tuple[Route, ...] = ROUTES, others: bool = False
    ) -> None:
        """`others`: there is a Service more."""
        modes = strict(0) if mode is MtlsMode.STRICT else (PortMtls(port=0, mode=mode),)
        a, b = (attached(n, ADDRESSES[n], netns=str(self.ns[n]), plain_http_ports=(PORT,), mtls=modes) for n in "ab")
        more = [service("more", "10.96.1.3", ("ws", 80, AppProtocol.HTTP))] if others else []
        self.lab.apply(
            view(
                a,
                b,
                service("plain", PLAIN, ("ws", 80, AppProtocol.HTTP)),
                endpoints("plain", endpoint(b, ws=PORT)),
                service("routed", ROUTED, ("ws", 80, AppProtocol.HTTP)),
                endpoints("routed"),
                RouteTable(namespace="shop", service="routed", routes=routes),
                *more,
            )
        )

    def open(self, path: str, *, who: str = "a", address: str = PLAIN, port: int = 80) -> ClientConnection:
        """Once the ends have agreed to close it waits but shortly for the proxies to follow."""
        sock = dial(self.ns[who], address, port)
        return connect(f"ws://shop.test{path}", sock=sock, ping_interval=None, max_size=None, close_timeout=0.2)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("ws") as lab:
        made = World(lab)
        with sockets(made.ns["b"]):
            yield made


@pytest.mark.parametrize("mode", [MtlsMode.PERMISSIVE, MtlsMode.STRICT], ids=lambda mode: mode.value)
def test_messages_of_every_kind_go_both_ways_with_mtls(world: World, mode: MtlsMode) -> None:
    world.put(mode)
    with world.open("/chat") as socket:
        path, who = str(socket.recv(10)).split(" ")
        assert path == "/chat"
        assert f"URI={identity('a')}" in who
        for message in ("word", b"\0", LARGE, ""):
            socket.send(message)
            assert socket.recv(10) == message
        assert socket.ping().wait(10), "the other end answers"
        socket.send("close")
        with pytest.raises(ConnectionClosedError):
            socket.recv(10)
        assert (socket.close_code, socket.close_reason) == (4001, "as you wish")


def test_a_client_outside_the_mesh_has_one_in_plain_text(world: World) -> None:
    world.put()
    with world.open("/chat", who="plain", address=ADDRESSES["b"], port=PORT) as socket:
        assert socket.recv(10) == "/chat "
        socket.send("word")
        assert socket.recv(10) == "word"


def test_many_are_open_at_once_and_end_apart(world: World) -> None:
    world.put()
    with contextlib.ExitStack() as stack:
        every = [stack.enter_context(world.open(f"/{n}")) for n in range(12)]
        for n, socket in enumerate(every):
            assert str(socket.recv(10)).startswith(f"/{n} ")
        for socket in every[::2]:
            socket.close()
        for n, socket in enumerate(every):
            if n % 2:
                socket.send(str(n))
                assert socket.recv(10) == str(n)


def test_timeouts_and_retries_of_a_route_do_not_end_one_that_is_open(world: World) -> None:
    world.put()
    with world.open("/bounded", address=ROUTED) as socket:
        assert str(socket.recv(10)).startswith("/bounded ")
        # Silence for several times as long as a request would be waited for.
        with pytest.raises(TimeoutError):
            socket.recv(5 * TIMEOUT_MS / 1000)
        socket.send("word")
        assert socket.recv(10) == "word"


def test_changes_of_routes_and_of_other_ports_leave_open_ones_alone(world: World) -> None:
    world.put()
    with world.open("/chat", address=ROUTED) as socket:
        assert str(socket.recv(10)).startswith("/chat ")
        world.put(routes=(ROUTES[1],), others=True)
        with pytest.raises(InvalidStatus) as refused:
            world.open("/chat", address=ROUTED)
        assert refused.value.response.status_code == 404
        socket.send("word")
        assert socket.recv(10) == "word"


def test_who_may_not_open_one_gets_the_answer_of_whoever_refuses(world: World) -> None:
    world.put()
    for path, status in (("/teapot", 418), ("/shut", 403)):
        with pytest.raises(InvalidStatus) as refused:
            world.open(path, address=ROUTED)
        assert refused.value.response.status_code == status


def test_one_is_logged_at_both_ends_when_it_has_ended(world: World) -> None:
    world.put()
    with world.open("/logged") as socket:
        socket.recv(10)
    for log in ("source|uid-a", "destination|uid-b"):
        (entry,) = world.lab.ads.log_of(log, asks("/logged"))
        assert entry.response.response_code.value == 101
