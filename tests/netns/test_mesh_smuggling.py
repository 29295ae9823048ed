"""What gets around rules elsewhere (advisories of Envoy and of HTTP), as raw bytes through a real Envoy.

The server behind is one that believes what it is told: whatever of a forbidden request reached it would be seen.
"""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from jwts import Issuer
from meshbuild import attached, service, view
from netns.meshapps import dial, listening
from netns.meshlab import Lab
from netns.test_mesh_authorization import need, policy, rule
from tandem.base.problems import Origin
from tandem.compile.names import INBOUND_PORT, OUTBOUND_PORT
from tandem.ir.authn import GivenKeys, JwtRule
from tandem.ir.authz import Action, Attribute, AuthzPolicy, Suffix, Template
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import Exact, Prefix, Present

pytestmark = pytest.mark.root

B = "10.244.0.3"
CLOSED = policy(Action.DENY, rule(operations=(need(Attribute.PATH, Exact("/admin"), Prefix("/admin/")),)))
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server(socketserver.ThreadingTCPServer):
    """Keeps the bytes that reach it, and answers each head that ends with 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.heard: list[bytes] = []
        self.lock = threading.Lock()


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        pending = b""
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                with server.lock:
                    server.heard.append(data)
                pending += data
                while b"\r\n\r\n" in pending:
                    pending = pending.partition(b"\r\n\r\n")[2]
                    self.request.sendall(OK)


class World:
    """A plain client sends bytes to port 8080 of pod b, whose rules close /admin."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {"a": lab.pod("a", "10.244.0.2"), "b": lab.pod("b", B)}
        self.server = Server()

    def put(self, *policies: AuthzPolicy, rules: tuple[JwtRule, ...] = ()) -> None:
        b = attached("b", B, netns=str(self.ns["b"]))
        pod = msgspec.structs.replace(b.pod, authorization=policies, authentication=rules, plain_http_ports=(8080,))
        web = service("web", "10.96.1.1", ("http", 80, AppProtocol.HTTP))
        self.lab.apply(view(msgspec.structs.replace(b, pod=pod), web))

    def send(self, raw: bytes) -> tuple[bytes, bytes]:
        """What the client is answered, and what the server was sent for it."""
        with self.server.lock:
            self.server.heard.clear()
        with contextlib.closing(dial(self.ns["a"], B, 8080)) as sock:
            sock.sendall(raw)
            sock.settimeout(1.0)
            answer = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                while data := sock.recv(65536):
                    answer += data
        with self.server.lock:
            return answer, b"".join(self.server.heard)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("sm") as lab:
        made = World(lab)
        made.server.socket.close()
        made.server.socket = listening(made.ns["b"], 8080)
        thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made
        finally:
            made.server.shutdown()
            thread.join()
            made.server.socket.close()


def request(target: str, *headers: str, method: str = "GET", body: str = "") -> bytes:
    lines = (f"{method} {target} HTTP/1.1", "host: web", "connection: close", *headers)
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def test_what_is_not_closed_passes(world: World) -> None:
    world.put(CLOSED)
    answer, heard = world.send(request("/open"))
    assert answer.startswith(b"HTTP/1.1 200")
    assert heard.startswith(b"GET /open ")


SPELLINGS = (
    "/admin",
    "//admin",
    "/./admin",
    "/x/../admin",
    "/x/%2e%2e/admin",
    "/x/%2E%2E/admin",
    "/x/..%2fadmin",
    "/x/..%2Fadmin",
    "/x/..%5cadmin",
    "/%2fadmin",
    "/%5Cadmin",
    "\\admin",
    "/\\admin",
    "/%61dmin",
    "/admin?x=1",
    "/admin/",
    "/admin//x",
    "/admin%2fx",
    "/admin/%2e%2e/admin/x",
    "http://web/admin",
    "http://web//admin",
    "HTTP://other/admin",
    "http://web/x/../admin",
    "/admin#x",
    "/admin;x=1/../admin",
)


@pytest.mark.parametrize("target", SPELLINGS)
def test_no_spelling_of_a_target_reaches_the_server(world: World, target: str) -> None:
    world.put(CLOSED)
    answer, heard = world.send(request(target))
    assert answer.split(b" ")[1] in {b"403", b"400", b"404"}, answer
    assert heard == b""


@pytest.mark.parametrize(
    ("opened", "target"),
    [
        (Prefix("/public/"), "/public/..%2fadmin"),
        (Prefix("/public/"), "/public/%2e%2e%2fadmin"),
        (Prefix("/public/"), "/public/..%5cadmin"),
        (Prefix("/public/"), "/public%2f../admin"),
        (Suffix(".css"), "/x/..%2fadmin.css"),
        (Template("/public/**"), "/public/..%2fadmin"),
        (Template("/public/*"), "/public/..%2fadmin"),
    ],
)
def test_what_opens_by_a_pattern_does_not_open_where_dots_may_lead(world: World, opened: Any, target: str) -> None:
    world.put(policy(Action.ALLOW, rule(operations=(need(Attribute.PATH, opened),))))
    answer, heard = world.send(request(target))
    assert (answer.split(b" ")[1], heard) == (b"403", b"")


@pytest.mark.parametrize("target", ["//admin/x", "/admin%2fx", "/admin//x", "/y/..%2fadmin/x", "/admin/x"])
def test_a_template_that_closes_does_so_in_every_spelling(world: World, target: str) -> None:
    world.put(policy(Action.DENY, rule(operations=(need(Attribute.PATH, Template("/admin/*")),))))
    answer, heard = world.send(request(target))
    assert (answer.split(b" ")[1], heard) == (b"403", b"")
    assert world.send(request("/public/.well-known/x%2fy"))[1] != b""


def test_a_fragment_is_no_part_of_a_path(world: World) -> None:
    """CVE-2021-32779: `#fragment` made a suffix or exact match miss."""
    world.put(policy(Action.DENY, rule(operations=(need(Attribute.PATH, Exact("/closed")),))))
    answer, heard = world.send(request("/closed#anything"))
    assert answer.split(b" ")[1] in {b"403", b"400"}
    assert heard == b""


SMUGGLED = "GET /admin HTTP/1.1\r\nhost: web\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        ("content-length: 4", "transfer-encoding: chunked"),
        ("transfer-encoding: chunked", "content-length: 4"),
        ("content-length: 4", f"content-length: {len(SMUGGLED) + 4}"),
        ("content-length: 4, 4",),
        ("content-length: +4",),
        ("content-length: 0x4",),
        ("content-length: -1",),
        ("transfer-encoding: chunked, identity",),
        ("transfer-encoding: xchunked",),
        ("transfer-encoding : chunked",),
        ("transfer-encoding:\x0bchunked",),
        ("transfer-encoding: chunked", "transfer-encoding: identity"),
        ("content-length : 4",),
        ("x: y\r\n transfer-encoding: chunked",),
        ("x: y\rtransfer-encoding: chunked", "content-length: 4"),
    ],
)
def test_no_two_lengths_let_a_second_request_by(world: World, headers: tuple[str, ...]) -> None:
    """The server answers every head that it sees: of the one that is hidden in a body it must not see one."""
    world.put(CLOSED)
    chunked = any("chunked" in h for h in headers)
    body = f"0\r\n\r\n{SMUGGLED}" if chunked else f"abcd{SMUGGLED}"
    raw = request("/open", *headers, method="POST", body=body).replace(b"connection: close\r\n", b"")
    answer, heard = world.send(raw)
    assert b"GET /admin" not in heard, answer
    codes = [part.split(b" ")[0] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert codes.count(b"200") <= 1
    assert set(codes) <= {b"200", b"400", b"403", b"501"}


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /open HTTP/1.1\r\nhost: web\r\nx: a\nGET /admin HTTP/1.1\r\n\r\n",
        b"GET /open HTTP/1.1\r\nhost: web\r\nx: a\x00b\r\n\r\n",
        b"GET /op\x00en HTTP/1.1\r\nhost: web\r\n\r\n",
        b"GET /open HTTP/1.1\r\nhost: web\r\nhost: other\r\n\r\n",
        b"GET  /admin HTTP/1.1\r\nhost: web\r\n\r\n",
        b"GET /admin HTTP/1.1 \r\nhost: web\r\n\r\n",
        b"GET\t/admin\tHTTP/1.1\r\nhost: web\r\n\r\n",
        b"GET /admin HTTP/9.9\r\nhost: web\r\n\r\n",
        b"GET /admin\r\n\r\n",
    ],
)
def test_what_is_hardly_a_request_is_none(world: World, raw: bytes) -> None:
    world.put(CLOSED)
    _, heard = world.send(raw)
    assert b"/admin" not in heard
    assert b"\x00" not in heard


def test_methods_are_judged_as_they_stand(world: World) -> None:
    world.put(policy(Action.DENY, rule(operations=(need(Attribute.METHOD, Exact("DELETE")),))))
    assert world.send(request("/x", method="DELETE"))[0].split(b" ")[1] == b"403"
    _, heard = world.send(request("/x", "x-http-method-override: GET", method="DELETE"))
    assert heard == b""


@pytest.mark.parametrize("name", ["x_role", "X_Role", "x_ROLE"])
def test_another_spelling_of_a_header_is_gone(world: World, name: str) -> None:
    """What a rule closes on `x-role` must not come in as `x_role`, which CGI reads as the same."""
    world.put(policy(Action.DENY, rule(when=(need(Attribute.HEADER, Exact("root"), name="x-role"),))))
    assert world.send(request("/x", "x-role: root"))[0].split(b" ")[1] == b"403"
    _, heard = world.send(request("/x", f"{name}: root"))
    assert b"root" not in heard
    assert heard.startswith(b"GET /x ")


def test_a_header_that_is_given_twice_does_not_hide_one_value(world: World) -> None:
    """CVE-2020-25017: only the last of several values was judged."""
    world.put(policy(Action.DENY, rule(when=(need(Attribute.HEADER, Present(), name="x-role"),))))
    for lines in (("x-role: root", "x-role: user"), ("x-role: user", "x-role: root")):
        answer, heard = world.send(request("/x", *lines))
        assert (answer.split(b" ")[1], heard) == (b"403", b"")


def test_hop_by_hop_headers_do_not_take_away_what_rules_ask_for(world: World) -> None:
    """`Connection: authorization` asked some proxies to drop what authenticates (hop-by-hop abuse)."""
    issuer = Issuer("a")
    told = JwtRule(
        issuer="a",
        keys=GivenKeys(issuer.jwks),
        claim_headers=(("x-user", "sub"),),
        origin=Origin(kind="RequestAuthentication", name="ra"),
    )
    world.put(rules=(told,))
    raw = request("/x", f"authorization: Bearer {issuer.token(sub='me')}").replace(
        b"connection: close", b"connection: close, x-user"
    )
    answer, heard = world.send(raw)
    assert answer.split(b" ")[1] in {b"200", b"400"}
    assert b"x-user: me" in heard or heard == b""
    _, heard = world.send(request("/x", "x-user: root", "connection: x-user"))
    assert b"root" not in heard


def test_an_upgrade_is_judged_as_any_request(world: World) -> None:
    world.put(CLOSED)
    for upgrade in ("websocket", "h2c"):
        lines = (f"upgrade: {upgrade}", "sec-websocket-key: x", "sec-websocket-version: 13", "http2-settings: AAMAAABk")
        raw = request("/admin", *lines).replace(b"connection: close", b"connection: upgrade, http2-settings")
        answer, heard = world.send(raw)
        assert (answer.split(b" ")[1], heard) == (b"403", b"")


def test_a_tunnel_is_not_opened(world: World) -> None:
    world.put(CLOSED)
    answer, heard = world.send(b"CONNECT web:80 HTTP/1.1\r\nhost: web\r\n\r\n" + SMUGGLED.encode())
    assert answer.split(b" ")[1] in {b"403", b"404", b"400", b"405"}
    assert heard == b""


def accepted(world: World) -> int:
    """How many connections the proxy's sockets in pods have taken."""
    lines = world.lab.admin("/stats?filter=^listener.(in|out).downstream_cx_total").splitlines()
    return sum(int(line.rpartition(" ")[2]) for line in lines)


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("a", B, INBOUND_PORT),
        ("b", "127.0.0.1", INBOUND_PORT),
        ("b", B, INBOUND_PORT),
        ("b", "127.0.0.1", OUTBOUND_PORT),
    ],
)
def test_who_dials_the_proxy_itself_does_not_keep_it_busy_with_itself(
    world: World, name: str, host: str, port: int
) -> None:
    world.put()
    before = accepted(world)
    with contextlib.suppress(OSError), contextlib.closing(dial(world.ns[name], host, port, timeout=0.5)) as sock:
        sock.sendall(request("/open"))
        time.sleep(0.5)
    assert accepted(world) - before <= 1
    assert world.send(request("/open"))[0].startswith(b"HTTP/1.1 200")


def test_without_a_proxy_nothing_reaches_the_server() -> None:
    """TPROXY hands nothing to a socket that is not there, and what it leaves alone would go on to the application."""
    with Lab("np") as lab:
        made = World(lab)
        made.server.socket.close()
        made.server.socket = listening(made.ns["b"], 8080)
        with made.server:
            thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                made.put(CLOSED)
                assert made.send(request("/open"))[1] != b""
                lab.envoy.kill()
                lab.envoy.wait()
                with pytest.raises(TimeoutError):
                    made.send(request("/open"))
                assert made.server.heard == []
            finally:
                made.server.shutdown()
                thread.join()
