"""Real requests through a real Envoy and the real capture rules, between namespaces."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import msgspec
import pytest

from meshbuild import attached, endpoint, endpoints, identity, service, strict, view
from netns.meshapps import Client, dial, get, greeter_app, http_app, read_all
from netns.meshlab import Ca, Lab
from tandem.ir.delivery import Arrival, Delivery, Room
from tandem.ir.fabric import AppProtocol
from tandem.ir.node import AttachedPod, NodeView
from tandem.ir.traffic import Limits

pytestmark = pytest.mark.root

A, B, C, D, OUTSIDE = (f"10.244.0.{n}" for n in (2, 3, 4, 5, 9))
WEB, TCP, NESTED, HALF, GONE = (f"10.96.1.{n}" for n in (1, 2, 3, 4, 5))


def asks(path: str) -> Callable[[Any], bool]:
    """Selects the log entries of requests for a path."""
    return lambda entry: hasattr(entry, "request") and entry.request.path == path


class Mesh:
    """Pods a, b, c, d in the mesh (d STRICT), x outside; services web (b: HTTP), tcp (b), half (b, c), gone (c).

    Nothing listens in c.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {name: lab.pod(name, address) for name, address in zip("abcdx", (A, B, C, D, OUTSIDE), strict=True)}
        self.lab.apply(self.view())

    def view(self) -> NodeView:
        a, b, c = (self.attached(n, address) for n, address in zip("abc", (A, B, C), strict=True))
        d = self.attached("d", D, mtls=strict(0))
        return view(
            a, b, c, d,
            service("web", WEB, ("http", 80, AppProtocol.HTTP)),
            service("strict", NESTED, ("http", 80, AppProtocol.HTTP), ("tcp", 90, AppProtocol.TCP)),
            service("tcp", TCP, ("tcp", 90, AppProtocol.TCP)),
            service("half", HALF, ("http", 80, AppProtocol.HTTP)),
            service("gone", GONE, ("http", 80, AppProtocol.HTTP)),
            service("headless", "", ("http", 8080, AppProtocol.HTTP)),
            endpoints("web", endpoint(b, http=8080)),
            endpoints("strict", endpoint(d, http=8080, tcp=9000)),
            endpoints("tcp", endpoint(b, tcp=9000)),
            endpoints("half", endpoint(b, http=8080), endpoint(c, http=8080)),
            endpoints("gone", endpoint(c, http=8080)),
            endpoints("headless", endpoint(d, http=8080)),
        )  # fmt: skip

    def attached(self, name: str, address: str, **fields: Any) -> AttachedPod:
        return attached(name, address, netns=str(self.ns[name]), **fields)


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with Lab("t") as lab, contextlib.ExitStack() as apps:
        made = Mesh(lab)
        for name in "bdx":
            apps.enter_context(http_app(made.ns[name], 8080, name))
            apps.enter_context(greeter_app(made.ns[name], 9000))
        yield made


def test_a_request_to_a_service_arrives_with_the_clients_address_and_identity(mesh: Mesh) -> None:
    status, seen = get(mesh.ns["a"], WEB, 80, "/hello")
    assert (status, seen["app"], seen["peer"], seen["path"]) == (200, "b", A, "/hello")
    assert f"URI={identity('a')}" in seen["xfcc"]


def test_a_request_to_a_pod_whose_application_does_not_listen_goes_to_another_one(mesh: Mesh) -> None:
    assert {get(mesh.ns["a"], HALF, 80)[0] for _ in range(20)} == {200}


def test_only_proxies_are_told_why_there_is_no_answer_and_no_application_can_say_so(mesh: Mesh) -> None:
    with contextlib.closing(Client(mesh.ns["a"], GONE, 80)) as client:
        client.request("GET", "/")
        answer = client.getresponse()
        assert (answer.status, answer.read(), answer.getheader("x-tandem-failed")) == (503, ANY, None)
    with contextlib.closing(Client(mesh.ns["a"], WEB, 80)) as client:
        client.request("GET", "/claimed", headers={"x-answer": "x-tandem-failed=connect"})
        assert client.getresponse().getheader("x-tandem-failed") is None
    assert len(mesh.lab.ads.log_of("destination|uid-b", asks("/claimed"))) == 1


def test_both_sides_log_the_request_to_the_agent(mesh: Mesh) -> None:
    get(mesh.ns["c"], WEB, 80, "/logged")
    (source,) = mesh.lab.ads.log_of("source|uid-c", asks("/logged"))
    (destination,) = mesh.lab.ads.log_of("destination|uid-b", asks("/logged"))
    assert source.common_properties.route_name == "default"
    assert source.common_properties.upstream_cluster == "svc/shop/web/80"
    assert source.common_properties.downstream_local_address.socket_address.address == WEB
    peer = destination.common_properties.tls_properties.peer_certificate_properties
    assert [name.uri for name in peer.subject_alt_name] == [identity("c")]


def test_a_server_that_speaks_first_is_heard(mesh: Mesh) -> None:
    with contextlib.closing(dial(mesh.ns["a"], TCP, 90)) as sock:
        assert sock.recv(100) == f"hello {A}\n".encode()
        sock.sendall(b"ping")
        assert sock.recv(100) == b"ping"


def test_a_claimed_identity_header_is_replaced(mesh: Mesh) -> None:
    _, seen = get(mesh.ns["a"], WEB, 80, x_forwarded_client_cert=f"URI={identity('c')}")
    assert identity("c") not in seen["xfcc"]
    assert identity("a") in seen["xfcc"]


def test_a_plain_client_reaches_a_permissive_pod(mesh: Mesh) -> None:
    status, seen = get(mesh.ns["x"], B, 8080)
    assert (status, seen["peer"], seen["xfcc"]) == (200, OUTSIDE, "")


def test_a_plain_client_hears_a_permissive_server_that_speaks_first(mesh: Mesh) -> None:
    with contextlib.closing(dial(mesh.ns["x"], B, 9000)) as sock:
        assert sock.recv(100) == f"hello {OUTSIDE}\n".encode()


def test_a_plain_request_to_a_strict_pod_is_refused_and_logged(mesh: Mesh) -> None:
    with contextlib.closing(dial(mesh.ns["x"], D, 8080)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nhost: d\r\n\r\n")
        assert read_all(sock) == b""
    assert mesh.lab.ads.log_of("refused|uid-d")


def test_a_silent_plain_client_of_a_strict_pod_gets_no_greeting(mesh: Mesh) -> None:
    with contextlib.closing(dial(mesh.ns["x"], D, 9000, timeout=20)) as sock:
        assert read_all(sock) == b""


def test_a_meshed_client_reaches_a_strict_pod(mesh: Mesh) -> None:
    assert get(mesh.ns["a"], NESTED, 80)[1]["app"] == "d"
    with contextlib.closing(dial(mesh.ns["a"], NESTED, 90)) as sock:
        assert sock.recv(100) == f"hello {A}\n".encode()


def test_a_headless_service_is_reached_with_mtls_at_the_pods_own_address(mesh: Mesh) -> None:
    status, seen = get(mesh.ns["a"], D, 8080)
    assert (status, seen["app"], seen["peer"]) == (200, "d", A)
    assert identity("a") in seen["xfcc"]


def test_an_address_outside_the_mesh_is_passed_through(mesh: Mesh) -> None:
    status, seen = get(mesh.ns["a"], OUTSIDE, 8080)
    assert (status, seen["app"], seen["peer"], seen["xfcc"]) == (200, "x", A, "")


def test_a_pod_that_dials_its_own_service_meets_itself(mesh: Mesh) -> None:
    status, seen = get(mesh.ns["b"], WEB, 80)
    assert (status, seen["app"], seen["peer"]) == (200, "b", B)
    assert identity("b") in seen["xfcc"]


def test_affinity_keeps_a_client_at_its_endpoint_and_others_elsewhere(mesh: Mesh) -> None:
    made = mesh.view()
    two = (mesh.attached("b", B), mesh.attached("d", D, mtls=strict(0)))
    sticky = {
        key: msgspec.structs.replace(s, affinity_seconds=60 if key != "shop/loose" else 0)
        for key, s in {
            "shop/web": service("web", WEB, ("http", 80, AppProtocol.HTTP)),
            "shop/tcp": service("tcp", TCP, ("tcp", 90, AppProtocol.TCP)),
            "shop/loose": service("loose", NESTED, ("http", 81, AppProtocol.HTTP)),
        }.items()
    }
    ends = {key: endpoints(key[5:], *(endpoint(p, http=8080, tcp=9000) for p in two)) for key in sticky}
    mesh.lab.apply(
        msgspec.structs.replace(made, services={**made.services, **sticky}, endpoints={**made.endpoints, **ends})
    )
    try:
        seen = {client: {get(mesh.ns[client], WEB, 80)[1]["app"] for _ in range(10)} for client in "abcd"}
        assert all(len(apps) == 1 for apps in seen.values())
        assert {get(mesh.ns["a"], NESTED, 81)[1]["app"] for _ in range(30)} == {"b", "d"}
        peers = set()
        for _ in range(10):
            with contextlib.closing(dial(mesh.ns["a"], TCP, 90)) as sock:
                sock.recv(100)
            (entry,) = mesh.lab.ads.log_of("source|uid-a", lambda e: "tcp/90" in e.common_properties.upstream_cluster)[
                -1:
            ]
            peers.add(entry.common_properties.upstream_remote_address.socket_address.address)
        assert len(peers) == 1
    finally:
        mesh.lab.apply(made)


def test_a_sidecar_says_where_the_application_is_and_how_much_it_is_sent(mesh: Mesh) -> None:
    made = mesh.view()
    elsewhere = (Arrival(port=8081, target=9081, loopback="127.0.0.1"), Arrival(port=8082, target=8080))
    shut = Room(limits=Limits(connections=0, pending=0))
    said = Delivery(arrivals=elsewhere, ports=((8083, shut),))
    b = mesh.attached("b", B, delivery=said, plain_http_ports=(8081,), mtls=strict(8082))
    names = (("loop", 8081), ("other", 8082), ("shut", 8083))
    fronts = {f"shop/{n}": service(n, f"10.96.2.{i}", ("http", 80, AppProtocol.HTTP)) for i, (n, _) in enumerate(names)}
    behind = {f"shop/{n}": endpoints(n, endpoint(b, http=port)) for n, port in names}
    changed = {"services": {**made.services, **fronts}, "endpoints": {**made.endpoints, **behind}}
    pods = tuple(b if pod.pod.name == "b" else pod for pod in made.pods)
    try:
        with http_app(mesh.ns["b"], 9081, "loop", "127.0.0.1"), http_app(mesh.ns["b"], 8083, "shut"):
            mesh.lab.apply(msgspec.structs.replace(made, pods=pods, **changed))
            # What listens at loopback sees a loopback address, all else the client's.
            for address, app, peer in (("10.96.2.0", "loop", "127.0.0.6"), ("10.96.2.1", "b", A)):
                status, seen = get(mesh.ns["a"], address, 80)
                assert (status, seen["app"], seen["peer"]) == (200, app, peer)
                assert f"URI={identity('a')}" in seen["xfcc"]
            # Clients outside the mesh meet the same, and the same modes.
            assert get(mesh.ns["x"], B, 8081)[1]["app"] == "loop"
            with contextlib.closing(dial(mesh.ns["x"], B, 8082)) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nhost: b\r\n\r\n")
                assert read_all(sock) == b""
            with contextlib.closing(http.client.HTTPConnection(B, 8083)) as client:
                client.sock = dial(mesh.ns["a"], "10.96.2.2", 80)
                client.request("GET", "/")
                assert client.getresponse().status == 503
            assert get(mesh.ns["a"], WEB, 80)[1]["app"] == "b", "all other ports are reached as they are dialled"
    finally:
        mesh.lab.apply(made)


def test_the_node_itself_is_exempt_from_strict(mesh: Mesh) -> None:
    status, seen = get(mesh.lab.node, D, 8080)
    assert (status, seen["peer"]) == (200, "10.244.0.1")


def test_requests_of_two_pods_never_share_an_upstream_connection(mesh: Mesh) -> None:
    """Many interleaved requests over keep-alive connections; the server reports address and certificate of each."""
    clients = {n: [Client(mesh.ns[n], WEB, 80) for _ in range(4)] for n in "ac"}
    expected = {"a": A, "c": C}
    seen: dict[str, set[tuple[str, str]]] = {"a": set(), "c": set()}
    with contextlib.ExitStack() as stack:
        for client in (*clients["a"], *clients["c"]):
            stack.callback(client.close)
        for i in range(400):
            name = "ac"[i % 2]
            status, body = clients[name][(i // 2) % 4].get(f"/{i}", x_who=name)
            assert (status, body["who"]) == (200, name)
            seen[name].add((body["peer"], body["xfcc"].split("URI=")[1]))
    assert seen == {name: {(expected[name], identity(name))} for name in "ac"}


def test_envoys_own_connections_are_not_captured_again(mesh: Mesh) -> None:
    get(mesh.ns["a"], WEB, 80, "/once")
    logs = mesh.lab.ads
    assert len(logs.log_of("source|uid-a", asks("/once"))) == 1
    assert len(logs.log_of("destination|uid-b", asks("/once"))) == 1
    assert not logs.log_of("source|uid-b", asks("/once"), seconds=0.5)


def test_what_the_application_has_begun_is_not_asked_again(mesh: Mesh) -> None:
    assert get(mesh.ns["a"], WEB, 80, "/busy")[0] == 503
    logs = mesh.lab.ads
    assert len(logs.log_of("source|uid-a", asks("/busy"))) == 1
    assert len(logs.log_of("destination|uid-b", asks("/busy"), seconds=0.5)) == 1


def test_a_nested_call_carries_the_identity_of_the_pod_that_makes_it(mesh: Mesh) -> None:
    """b is called by a, and calls d itself."""
    assert get(mesh.ns["a"], WEB, 80)[1]["app"] == "b"
    _, seen = get(mesh.ns["b"], NESTED, 80)
    assert (seen["app"], seen["peer"]) == ("d", B)
    assert identity("b") in seen["xfcc"]


def tls_to(mesh: Mesh, context: ssl.SSLContext, address: str) -> bytes:
    """What a client outside the mesh gets that speaks TLS and claims to be one of us, from a server that greets."""
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["tandem-tcp"])
    refused = contextlib.suppress(ssl.SSLError, ConnectionResetError)
    with refused, dial(mesh.ns["x"], address, 9000) as sock, context.wrap_socket(sock) as wrapped:
        return read_all(wrapped)
    return b""


@pytest.mark.parametrize("address", [B, D])
def test_tls_without_a_certificate_gets_nothing(mesh: Mesh, address: str) -> None:
    assert tls_to(mesh, ssl.create_default_context(), address) == b""


@pytest.mark.parametrize("problem", ["another trust domain", "another authority"])
def test_a_certificate_that_is_not_ours_gets_nothing(mesh: Mesh, tmp_path: Path, problem: str) -> None:
    if problem == "another authority":
        chain, key = Ca().issue(identity("a"))
    else:
        chain, key = mesh.lab.ca.issue("spiffe://elsewhere/ns/shop/sa/a")
    (tmp_path / "client.pem").write_text(chain + key)
    context = ssl.create_default_context()
    context.load_cert_chain(tmp_path / "client.pem")
    assert tls_to(mesh, context, B) == b""


def test_our_own_certificate_is_heard(mesh: Mesh, tmp_path: Path) -> None:
    """The counter-proof: what the tests above refuse is refused for the certificate alone."""
    chain, key = mesh.lab.ca.issue(identity("x"))
    (tmp_path / "client.pem").write_text(chain + key)
    context = ssl.create_default_context()
    context.load_cert_chain(tmp_path / "client.pem")
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["tandem-tcp"])
    with dial(mesh.ns["x"], B, 9000) as sock, context.wrap_socket(sock) as wrapped:
        assert wrapped.recv(100) == f"hello {OUTSIDE}\n".encode()


def test_a_namespace_ends_once_its_listeners_are_removed() -> None:
    with Lab("g") as lab:
        ns = lab.pod("a", A)
        lab.apply(view(attached("a", A, netns=str(ns))))
        lab.delete("a")
        time.sleep(1)
        assert "va" in lab.links(), "Envoy's listening sockets hold the namespace"
        lab.apply(view())
        deadline = time.monotonic() + 10
        while "va" in lab.links() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "va" not in lab.links()


def test_a_pod_that_becomes_strict_refuses_plain_clients_and_keeps_meshed_ones() -> None:
    with Lab("s") as lab, contextlib.ExitStack() as apps:
        ns = {name: lab.pod(name, address) for name, address in (("a", A), ("b", B), ("x", OUTSIDE))}
        apps.enter_context(http_app(ns["b"], 8080, "b"))
        web = service("web", WEB, ("http", 80, AppProtocol.HTTP))
        client = apps.enter_context(contextlib.closing(Client(ns["a"], WEB, 80)))
        open_, strictly = attached("b", B).pod.mtls, strict(8080)
        for mtls, plain in ((open_, 200), (strictly, 0), (open_, 200)):
            a, b = attached("a", A, netns=str(ns["a"])), attached("b", B, netns=str(ns["b"]), mtls=mtls)
            lab.apply(view(a, b, web, endpoints("web", endpoint(b, http=8080))))
            assert client.get()[0] == 200
            if plain:
                assert get(ns["x"], B, 8080)[0] == plain
            else:
                with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
                    get(ns["x"], B, 8080)


def test_a_certificate_that_comes_late_or_anew_is_used_from_then_on() -> None:
    with Lab("l") as lab, contextlib.ExitStack() as apps:
        ns = {name: lab.pod(name, address) for name, address in (("a", A), ("b", B))}
        apps.enter_context(http_app(ns["b"], 8080, "b"))
        a, b = (attached(name, address, netns=str(ns[name])) for name, address in (("a", A), ("b", B)))
        lab.ads.withheld.update((identity("a"), identity("b")))
        lab.apply(
            view(a, b, service("web", WEB, ("http", 80, AppProtocol.HTTP)), endpoints("web", endpoint(b, http=8080)))
        )
        assert get(ns["a"], WEB, 80)[0] == 503
        for name in (identity("a"), identity("b"), identity("a"), identity("b")):
            lab.ads.issue(name)
        lab.ads.settle()
        assert get(ns["a"], WEB, 80)[0] == 200
