"""TLS towards hosts outside, begun by a real Envoy for plain clients, and told apart by SNI where clients begin it."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from netns.externallab import OUTSIDE, Outside, running, tls_context
from netns.meshapps import listening, serving
from netns.meshlab import Ca
from tandem.translate.mesh.istio import clienttls

pytestmark = pytest.mark.root

API = "api.example.com"
ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api}
spec:
  hosts: [api.example.com]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 443}]
  endpoints: [{address: 192.0.2.10}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec:
  host: api.example.com
  trafficPolicy: {tls: {mode: %s}}
"""
SNI = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: %s}
spec:
  hosts: ["%s"]
  resolution: %s
  ports: [{number: 443, name: tls, protocol: TLS}]
  %s
"""


class _Named(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        connection: Any = self.connection
        client = connection.getpeercert() or {}
        body = json.dumps({"app": self.server.label, "client": client.get("subjectAltName", [])}).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def https_app(netns: Path, label: str, context: ssl.SSLContext) -> Iterator[None]:
    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that breaks off is part of the tests."""

    server = Server(("127.0.0.1", 0), _Named, bind_and_activate=False)
    server.label = label  # type: ignore[attr-defined]
    with serving(server, context.wrap_socket(listening(netns, 443), server_side=True, do_handshake_on_connect=False)):
        yield


class World:
    def __init__(self, outside: Outside, directory: Path) -> None:
        self.outside, self.directory = outside, directory
        self.ca, self.other = Ca(), Ca()

    def secret(self, ca: Ca) -> str:
        """Its root, as manifests have it."""
        data = base64.b64encode(ca.root.encode()).decode()
        return f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: roots}}\ndata: {{ca.crt: {data}}}\n"

    def asked(self) -> tuple[int, str]:
        return self.outside.curl(f"http://{API}/", address=OUTSIDE["two"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("tls")
    with running("tls") as outside, contextlib.ExitStack() as apps:
        made = World(outside, directory)
        for name, dns in (("one", API), ("two", "www.example.org")):
            own = directory / name
            own.mkdir()
            chain, key = made.ca.issue(x509.DNSName(dns))
            asks = made.ca.root if name == "two" else ""
            apps.enter_context(https_app(outside.ns[name], name, tls_context(own, chain, key, roots=asks)))
        yield made


def test_requests_in_plain_text_leave_in_tls_that_is_verified(world: World) -> None:
    world.outside.apply(ENTRY % "SIMPLE, credentialName: roots" + world.secret(world.ca))
    status, body = world.asked()
    assert (status, json.loads(body)["app"]) == (200, "one")


THROUGH = """
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out}
spec:
  selector: {istio: egressgateway}
  servers: [{port: {number: 8443, name: https, protocol: HTTPS}, hosts: [api.example.com], tls: {mode: ISTIO_MUTUAL}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: through}
spec:
  hosts: [api.example.com]
  gateways: [out, mesh]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 8443}}}]
  - match: [{gateways: [out], port: 8443, uri: {prefix: /public}}]
    route: [{destination: {host: api.example.com, port: {number: 80}}}]
"""
JUDGED = """
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: judges, namespace: istio-system}
spec: {selector: {matchLabels: {istio: egressgateway}}, action: DENY, rules: [{to: [{operation: {methods: [POST]}}]}]}
"""


def test_a_way_through_an_egress_gateway_leads_on_as_it_does_there_and_is_judged(world: World) -> None:
    manifests = ENTRY % "SIMPLE, credentialName: roots" + THROUGH + world.secret(world.ca)
    world.outside.apply(manifests)
    status, body = world.outside.curl(f"http://{API}/public", address=OUTSIDE["two"])
    assert (status, json.loads(body)["app"]) == (200, "one")
    assert world.asked()[0] == 404
    world.outside.apply(manifests + JUDGED)
    assert world.outside.curl(f"http://{API}/public", address=OUTSIDE["two"])[0] == 200
    assert world.outside.curl(f"http://{API}/public", "-d", "x", address=OUTSIDE["two"])[0] == 403


def test_a_certificate_of_another_authority_or_another_name_is_refused(world: World) -> None:
    world.outside.apply(ENTRY % "SIMPLE, credentialName: roots" + world.secret(world.other))
    assert world.asked()[0] == 503
    named = "SIMPLE, credentialName: roots, subjectAltNames: [www.example.com]"
    world.outside.apply(ENTRY % named + world.secret(world.ca))
    assert world.asked()[0] == 503
    world.outside.apply(ENTRY % "SIMPLE")
    assert world.asked()[0] == 503


def test_whoever_wants_no_verification_gets_none(world: World) -> None:
    world.outside.apply(ENTRY % "SIMPLE, insecureSkipVerify: true")
    assert world.asked()[0] == 200


def test_mutual_shows_the_certificate_of_a_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clienttls, "DIRECTORY", f"{world.directory}/")
    chain, key = world.ca.issue(x509.DNSName("client.example.com"))
    for name, text in (("cert", chain), ("key", key), ("ca", world.ca.root)):
        (world.directory / name).write_text(text)
    files = {"clientCertificate": "cert", "privateKey": "key", "caCertificates": "ca"}
    named = ", ".join(f"{field}: {world.directory}/{name}" for field, name in files.items())
    manifests = ENTRY.replace("192.0.2.10", "192.0.2.11")
    world.outside.apply(manifests % f"MUTUAL, subjectAltNames: [www.example.org], {named}")
    status, body = world.asked()
    assert (status, json.loads(body)["client"]) == (200, [["DNS", "client.example.com"]])
    simple = f"SIMPLE, subjectAltNames: [www.example.org], caCertificates: {world.directory}/ca"
    world.outside.apply(manifests % simple)
    assert world.asked()[0] == 503


def test_a_rule_that_does_not_hold_lets_nothing_through_in_plain_text(world: World) -> None:
    world.outside.apply(
        (ENTRY % "SIMPLE, credentialName: gone").replace("targetPort: 443", "targetPort: 80"), lenient=True
    )
    assert world.asked()[0] == 503


def test_tls_of_clients_is_told_apart_by_the_name_they_ask_for(world: World) -> None:
    entries = SNI % ("api", API, "STATIC", "endpoints: [{address: 192.0.2.10}]")
    world.outside.apply(entries + "---" + SNI % ("wild", "*.example.org", "NONE", ""))
    asked = world.outside.curl(f"https://{API}/", "-k", address=OUTSIDE["two"])
    assert json.loads(asked[1])["app"] == "one"
    # The address is kept, so the server of the other name asks for a certificate.
    assert world.outside.curl("https://x.example.org/", "-k", address=OUTSIDE["one"])[0] == 200
    assert world.outside.curl("https://unknown.example.net/", "-k", address=OUTSIDE["one"])[0] == 200
