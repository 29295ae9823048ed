"""gRPC-Web on HTTP/1.1 to a server that speaks gRPC alone: in the mesh with mTLS, and through a gateway."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gatewaybuild import gateway, hosts, listener, port, route
from meshbuild import attached, endpoint, endpoints, identity, service, view
from netns.grpcweb import Call
from netns.meshapps import dial
from netns.meshlab import Lab
from netns.test_mesh_grpc import python
from tandem.base.problems import Origin
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import Backend, Exact, Fault, Forward, Route, RouteMatch, RouteTable

pytestmark = pytest.mark.root

ADDRESSES = {"a": "10.244.0.2", "b": "10.244.0.3", "c": "10.244.0.4", "out": "10.244.0.5"}
DIRECT, ROUTED, OWN, GATEWAY, SERVER_PORT = "10.96.1.1", "10.96.1.2", "10.244.0.1", 20080, 20081
SERVER = """
import grpc, threading
from concurrent import futures
gone = threading.Event()
def say(request, context):
    told = dict(context.invocation_metadata())
    context.set_trailing_metadata((("x-trailer", "yes"),))
    return request + b" " + told.get("x-forwarded-client-cert", "").encode()
def fail(request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not yet")
def count(request, context):
    yield b"first"
    gone.wait(20)
    gone.clear()
    yield from (b"second", b"x" * 100000)
def go(request, context):
    gone.set()
    return b""
class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        unary = {"Say": say, "Fail": fail, "Go": go}.get(details.method.split("/")[-1])
        if unary is not None:
            return grpc.unary_unary_rpc_method_handler(unary)
        return grpc.unary_stream_rpc_method_handler(count) if details.method.endswith("/Count") else None
server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((Echo(),))
server.add_insecure_port("0.0.0.0:9000")
server.start()
print("ready", flush=True)
server.wait_for_termination()
"""
WAYS = {
    "mesh": ("a", DIRECT, 80),
    "route": ("a", ROUTED, 80),
    "gateway": ("out", OWN, GATEWAY),
    "server": ("out", OWN, SERVER_PORT),
}
"""Client, address and port; `server` is a server of Istio's whose protocol is GRPC-WEB."""


def calls(name: str, **fields: object) -> Route:
    """A route as control makes one of a GRPCRoute's rule."""
    origin = Origin(kind="GRPCRoute", namespace="shop", name=name, path="spec.rules[0]")
    to = Forward(backends=(Backend(namespace="shop", service="direct" if name == "meshed" else "outer", port=80),))
    base = {"matches": (RouteMatch(grpc=True),), "action": to}
    return Route(name=name, origin=origin, **(base | fields))  # type: ignore[arg-type]


class World:
    """a calls b in the mesh, at a port of gRPC and by a route of gRPC; a client outside calls c through a gateway."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {name: lab.pod(name, address) for name, address in ADDRESSES.items()}
        a, b, c = (attached(n, ADDRESSES[n], netns=str(self.ns[n]), meshed=n != "c") for n in "abc")
        broken = calls(
            "broken",
            matches=(RouteMatch(grpc=True, path=Exact("/shop.Echo/Broken")),),
            fault=Fault(abort_status=503, abort_per_million=1_000_000),
        )
        table = RouteTable(namespace="shop", service="routed", routes=(broken, calls("meshed")))
        every = listener("every", "*", hosts("shop.test", calls("outer"), route("web")))
        plain = listener("plain", "*", hosts("shop.test", calls("outer", matches=())))
        server = port(msgspec.structs.replace(plain, grpc_web=True), number=81, target=SERVER_PORT)
        edge = gateway(port(every), server, addresses=("192.0.2.65",))
        lab.apply(
            view(
                a, b,
                service("direct", DIRECT, ("rpc", 80, AppProtocol.GRPC)),
                endpoints("direct", endpoint(b, rpc=9000)),
                service("routed", ROUTED, ("rpc", 80, AppProtocol.GRPC)),
                endpoints("routed"),
                table,
                service("outer", "10.96.1.3", ("rpc", 80, AppProtocol.GRPC)),
                endpoints("outer", endpoint(c, rpc=9000)),
                gateways={"edge/edge": edge},
            )
        )  # fmt: skip

    @contextlib.contextmanager
    def connection(self, way: str) -> Iterator[http.client.HTTPConnection]:
        who, address, number = WAYS[way]
        with contextlib.closing(http.client.HTTPConnection(address, number)) as made:
            made.sock = dial(self.ns[who], address, number)
            yield made


@contextlib.contextmanager
def serving(netns: Path) -> Iterator[None]:
    with subprocess.Popen(python(netns, SERVER), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            yield
        finally:
            server.kill()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("gw") as lab:
        made = World(lab)
        with serving(made.ns["b"]), serving(made.ns["c"]):
            yield made


both = pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
everywhere = pytest.mark.parametrize("way", WAYS)


@both
@everywhere
def test_a_call_is_answered_with_its_trailers_in_the_body(world: World, way: str, *, text: bool) -> None:
    with world.connection(way) as connection:
        for word in (b"one", b"two"):
            call = Call(connection, "/shop.Echo/Say", word, text=text)
            (answer,) = call.messages()
            kind = "application/grpc-web-text+proto" if text else "application/grpc-web+proto"
            assert (call.response.status, call.response.getheader("content-type")) == (200, kind)
            assert answer.split(b" ")[0] == word
            assert (f"URI={identity('a')}".encode() in answer) is (way in {"mesh", "route"})
            assert (call.trailers["grpc-status"], call.trailers["x-trailer"]) == ("0", "yes")


@both
@everywhere
def test_a_stream_is_handed_on_message_by_message(world: World, way: str, *, text: bool) -> None:
    with world.connection(way) as connection, world.connection(way) as other:
        call = Call(connection, "/shop.Echo/Count", b"", text=text)
        found = call.messages()
        assert next(found) == b"first", "while the server waits for the next call"
        assert list(Call(other, "/shop.Echo/Go", b"", text=text).messages()) == [b""]
        assert list(found) == [b"second", b"x" * 100000]
        assert call.trailers["grpc-status"] == "0"


@both
@everywhere
def test_what_fails_says_so_in_grpc(world: World, way: str, *, text: bool) -> None:
    with world.connection(way) as connection:
        for method, status, message in (("Fail", "9", "not yet"), ("None", "12", "")):
            call = Call(connection, f"/shop.Echo/{method}", b"", text=text)
            assert list(call.messages()) == []
            assert (call.response.status, call.trailers["grpc-status"]) == (200, status)
            assert message in call.trailers["grpc-message"]


def test_what_the_proxy_answers_itself_is_said_in_grpc(world: World) -> None:
    with world.connection("route") as connection:
        call = Call(connection, "/shop.Echo/Broken", b"", text=False)
        assert list(call.messages()) == []
        assert call.trailers["grpc-status"] == "14"


def test_a_route_of_grpc_is_not_for_other_requests(world: World) -> None:
    for way in ("route", "gateway"):
        with world.connection(way) as connection:
            connection.request("POST", "/shop.Echo/Say", b"", {"content-type": "text/plain", "host": "shop.test"})
            assert connection.getresponse().status == {"route": 404, "gateway": 503}[way]
