"""Ports of which nobody says what they speak: requests are found and read, and everything else goes through."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builders import pod as k8s_pod
from builders import service as k8s_service
from linkerdworlds import server
from meshbuild import attached, endpoint, endpoints, service, strict, view
from netns.meshapps import Client, dial, get, greeter_app, http_app, read_all
from netns.meshlab import Lab
from netns.test_mesh_authorization import need, policy, rule
from tandem.base.netns import in_netns
from tandem.ir.authz import Action, Attribute
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import Prefix
from tandem.ir.node import NodeView
from tandem.ir.traffic import ClientTls, Origination, Traffic, TrafficPolicy
from tandem.model.world import World
from tandem.translate.options import Options
from tandem.translate.world import translate_world

pytestmark = pytest.mark.root

A, B, C, D, OUTSIDE = (f"10.244.0.{n}" for n in (2, 3, 4, 5, 9))
WEB, GREETER, SECURE, HEADLESS = "10.96.1.1", "10.96.1.2", "10.96.1.3", ""
PORTS = {"web": 8080, "greeter": 9000, "secure": 9443, "headless": 8080}
BEHIND = {"web": "b", "greeter": "d", "secure": "c", "headless": "d"}
HEARD_WITHIN = 5.0
"""What is asserted of a greeting: that it comes; the bound itself is a figure."""


class Mesh:
    """Pods a, b, c and d in the mesh, x outside; no port says what it speaks. b has a rule for requests."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {name: lab.pod(name, address) for name, address in zip("abcdx", (A, B, C, D, OUTSIDE), strict=True)}
        lab.apply(self.view())

    def view(self, *more: TrafficPolicy) -> NodeView:
        denied = rule(operations=(need(Attribute.PATH, Prefix(value="/closed")),))
        a = attached("a", A, netns=str(self.ns["a"]))
        b = attached(
            "b",
            B,
            netns=str(self.ns["b"]),
            authorization=(policy(Action.DENY, denied),),
            detected_ports=(8080,),
        )
        c = attached("c", C, netns=str(self.ns["c"]), detected_ports=(9443,))
        d = attached("d", D, netns=str(self.ns["d"]), mtls=strict(0), detected_ports=(8080, 9000))
        pods = {"b": b, "c": c, "d": d}
        fronts = zip(PORTS, (WEB, GREETER, SECURE, HEADLESS), strict=True)
        parts: list[Any] = [a, b, c, d, *more]
        for name, address in fronts:
            parts.append(service(name, address, ("any", 80 if address else 8080, AppProtocol.DETECTED)))
            parts.append(endpoints(name, endpoint(pods[BEHIND[name]], any=PORTS[name])))
        return view(*parts)


@contextlib.contextmanager
def secure_app(netns: Path, port: int, directory: Path, lab: Lab) -> Iterator[None]:
    """Answers `secure` over a TLS of its own."""
    chain, key = lab.ca.issue("spiffe://elsewhere/app")
    (directory / "server.pem").write_text(chain + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    server = in_netns(str(netns), lambda: socket.create_server(("0.0.0.0", port), backlog=8))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = server.accept()
                with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as wrapped:
                    wrapped.sendall(wrapped.recv(100) + b" secure")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    with Lab("dt") as lab, contextlib.ExitStack() as apps:
        made = Mesh(lab)
        apps.enter_context(http_app(made.ns["b"], 8080, "b"))
        apps.enter_context(http_app(made.ns["d"], 8080, "d"))
        apps.enter_context(greeter_app(made.ns["d"], 9000))
        apps.enter_context(secure_app(made.ns["c"], 9443, tmp_path_factory.mktemp("tls"), lab))
        yield made


def of_requests(path: str) -> Callable[[Any], bool]:
    """Selects the log entries of requests whose path begins so."""
    return lambda entry: hasattr(entry, "request") and entry.request.path.startswith(path)


def connections(cluster: str) -> Callable[[Any], bool]:
    return lambda entry: not hasattr(entry, "request") and entry.common_properties.upstream_cluster == cluster


def exactly(sock: socket.socket, expected: bytes) -> bool:
    """Whether these bytes come, in whatever pieces."""
    seen = b""
    while len(seen) < len(expected) and (data := sock.recv(100)):
        seen += data
    return seen == expected


def test_requests_are_read_by_both_proxies(mesh: Mesh) -> None:
    status, seen = get(mesh.ns["a"], WEB, 80, "/found")
    assert (status, seen["app"], seen["peer"]) == (200, "b", A)
    assert "URI=spiffe://cluster.local/ns/shop/sa/a" in seen["xfcc"]
    (source,) = mesh.lab.ads.log_of("source|uid-a", of_requests("/found"))
    assert source.common_properties.upstream_cluster == "svc/shop/web/80"
    assert len(mesh.lab.ads.log_of("destination|uid-b", of_requests("/found"))) == 1


def test_rules_about_requests_judge_them(mesh: Mesh) -> None:
    assert [get(mesh.ns["a"], WEB, 80, path)[0] for path in ("/open", "/closed/x")] == [200, 403]
    assert [get(mesh.ns["x"], B, 8080, path)[0] for path in ("/open", "/closed/x")] == [200, 403]


def test_requests_to_a_pod_of_a_headless_service_are_read(mesh: Mesh) -> None:
    status, seen = get(mesh.ns["a"], D, 8080, "/headless")
    assert (status, seen["app"]) == (200, "d")
    assert len(mesh.lab.ads.log_of("destination|uid-d", of_requests("/headless"))) == 1


def test_plain_requests_from_outside_the_mesh_are_read(mesh: Mesh) -> None:
    assert get(mesh.ns["x"], B, 8080, "/outside")[0] == 200
    assert len(mesh.lab.ads.log_of("destination|uid-b", of_requests("/outside"))) == 1


def test_a_server_that_speaks_first_is_heard(mesh: Mesh) -> None:
    with contextlib.closing(dial(mesh.ns["a"], GREETER, 80, timeout=HEARD_WITHIN)) as sock:
        assert sock.recv(100) == f"hello {A}\n".encode()
        sock.sendall(b"GET / HTTP/1.1\r\nhost: late\r\n\r\n")
        assert sock.recv(100).startswith(b"GET / HTTP/1.1"), "what was taken for bytes stays so"
    assert mesh.lab.ads.log_of("source|uid-a", connections("svc/shop/greeter/80"))


def test_a_client_that_sends_something_else_is_not_kept_waiting_and_heard_as_it_is(mesh: Mesh) -> None:
    for words in (b"*1\r\n$4\r\nPING\r\n", b"\x00\x00\x00\x17rd\x00", b"GET it\r\n", b"SSH-2.0-x\r\n"):
        with contextlib.closing(dial(mesh.ns["a"], GREETER, 80, timeout=HEARD_WITHIN)) as sock:
            sock.sendall(words)
            assert exactly(sock, f"hello {A}\n".encode() + words)


def test_a_request_in_pieces_is_one(mesh: Mesh) -> None:
    with contextlib.closing(dial(mesh.ns["a"], WEB, 80)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (b"GE", b"T /piec", b"es HTTP/1.1\r\n", b"host: web\r\nconnection: close\r\n\r\n"):
            sock.sendall(piece)
            time.sleep(0.02)
        assert read_all(sock).startswith(b"HTTP/1.1 200")
    assert len(mesh.lab.ads.log_of("source|uid-a", of_requests("/pieces"))) == 1


def test_a_late_request_is_answered_and_judged_as_bytes(mesh: Mesh) -> None:
    """What the server's rules would ask of a request nobody can tell: it is closed, not let through."""
    with contextlib.closing(dial(mesh.ns["a"], WEB, 80)) as sock:
        time.sleep(1)
        sock.sendall(b"GET /closed/late HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n")
        assert read_all(sock) == b""
    with contextlib.closing(dial(mesh.ns["a"], D, 8080)) as sock:
        time.sleep(1)
        sock.sendall(b"GET /late HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n")
        assert read_all(sock).startswith(b"HTTP/1.1 200")
    assert not mesh.lab.ads.log_of("destination|uid-d", of_requests("/late"), seconds=0.5)


@pytest.mark.parametrize(("who", "address", "port"), [("a", SECURE, 80), ("x", C, 9443)])
def test_a_clients_own_tls_is_handed_on(mesh: Mesh, who: str, address: str, port: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    mesh.lab.apply(mesh.view())
    with dial(mesh.ns[who], address, port) as sock, context.wrap_socket(sock) as wrapped:
        wrapped.sendall(b"mine")
        assert wrapped.recv(100) == b"mine secure"


def test_bytes_and_requests_of_one_port_never_share_a_connection(mesh: Mesh) -> None:
    """Turn by turn over the same cluster: each arrives as what it is."""
    with contextlib.closing(Client(mesh.ns["a"], D, 8080)) as client:
        for i in range(20):
            assert client.get(f"/turn-{i}?")[0] == 200
            with contextlib.closing(dial(mesh.ns["a"], GREETER, 80)) as sock:
                sock.sendall(b"\x01")
                assert sock.recv(100).startswith(b"hello")
    told = [mesh.lab.ads.log_of("destination|uid-d", of_requests(f"/turn-{i}?")) for i in range(20)]
    assert [len(entries) for entries in told] == [1] * 20


def test_what_a_rule_opens_in_tls_of_its_own_is_not_said_to_be_ours(mesh: Mesh) -> None:
    """The other end is told nothing of our protocols: it would refuse them."""
    secure = Traffic(tls=ClientTls.SIMPLE, origination=Origination(unverified=True))
    rules = TrafficPolicy(namespace="shop", service="secure", traffic=secure)
    mesh.lab.apply(mesh.view(rules))
    try:
        with contextlib.closing(dial(mesh.ns["a"], SECURE, 80)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert sock.recv(200) == b"GET / HTTP/1.1\r\n\r\n secure"
    finally:
        mesh.lab.apply(mesh.view())


@pytest.mark.parametrize("speaks", ["unknown", "opaque"])
def test_where_a_server_of_the_pod_says_so_nobody_looks(mesh: Mesh, speaks: str) -> None:
    """What is sent begins like a request, and is carried as bytes: no proxy writes it down as one."""
    web = k8s_service("web", ns="shop", ip=WEB, ports=[{"port": 80, "targetPort": 8080}])
    behind = k8s_pod("d", namespace="shop", ip=D, labels={"app": "web", "tandem.io/mesh": "enabled"})
    found = translate_world(World.of([web, behind, server(ns="shop", proxyProtocol=speaks)]), Options())
    ((app,), (local,)) = [port.app for port in found.services["shop/web"].ports], found.pods.values()
    a = attached("a", A, netns=str(mesh.ns["a"]))
    d = attached("d", D, netns=str(mesh.ns["d"]), detected_ports=local.detected_ports)
    mesh.lab.apply(view(a, d, service("web", WEB, ("any", 80, app)), endpoints("web", endpoint(d, any=8080))))
    path = f"/server-{speaks}"
    assert get(mesh.ns["a"], WEB, 80, path)[0] == 200
    if speaks == "unknown":
        assert len(mesh.lab.ads.log_of("source|uid-a", of_requests(path))) == 1
    else:
        assert mesh.lab.ads.log_of("source|uid-a", connections("svc/shop/web/80"))
        assert not mesh.lab.ads.log_of("source|uid-a", of_requests(path), seconds=0.5)
