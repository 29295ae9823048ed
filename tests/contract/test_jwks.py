"""What every fetcher of key sets does: the fake, and the real one over HTTP and HTTPS of loopback."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tandem.base.problems import DriverError
from tandem.drivers.jwks.fake import FakeFetcher
from tandem.drivers.jwks.port import Answer, Fetcher, Place
from tandem.drivers.jwks.real import HttpFetcher

HERE = "/proc/self/ns/net"
KEYS = '{"keys":[{"kty":"EC"}]}'
PAGES: dict[str, tuple[int, dict[str, str], str]] = {
    "/keys": (200, {"Cache-Control": "public, max-age=60"}, KEYS),
    "/moved": (302, {"Location": "/keys"}, ""),
    "/round": (302, {"Location": "/round"}, ""),
    "/gone": (404, {}, "secret words"),
    "/large": (200, {}, "x" * (2 << 20)),
    "/.well-known/openid-configuration": (200, {}, '{"jwks_uri": "http://issuer.test:{port}/keys"}'),
    "/bare/.well-known/openid-configuration": (200, {}, "{}"),
}


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, headers, body = PAGES[self.path]
        body = body.replace("{port}", str(cast("tuple[str, int]", self.server.server_address)[1]))
        self.send_response(status)
        for name, value in (headers | {"content-length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        pass


def serve(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def port() -> Iterator[int]:
    yield from serve()


def at(url: str, *, discover: bool = False) -> Place:
    return Place(url=url, discover=discover, timeout=5.0)


def resolve(host: str) -> tuple[str, ...]:
    return ("127.0.0.9", "127.0.0.1") if host == "issuer.test" else ()


def ask(fetcher: Fetcher, url: str, *, discover: bool = False) -> Answer:
    return fetcher.fetch(at(url, discover=discover), HERE, resolve)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.root)])
def fetcher(request: pytest.FixtureRequest, port: int) -> Fetcher:
    if request.param == "real":
        return HttpFetcher()
    fake = FakeFetcher()
    fake.answers[f"http://issuer.test:{port}/keys"] = Answer(text=KEYS, seconds=60.0)
    return fake


def test_a_key_set_comes_with_the_time_that_it_may_be_kept(fetcher: Fetcher, port: int) -> None:
    assert ask(fetcher, f"http://issuer.test:{port}/keys") == Answer(text=KEYS, seconds=60.0)


def test_what_is_not_there_is_an_error(fetcher: Fetcher, port: int) -> None:
    with pytest.raises(DriverError):
        ask(fetcher, f"http://issuer.test:{port}/gone")


@pytest.mark.root
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/gone", "answered with status 404"),
        ("/round", "redirects too often"),
        ("/large", "too large"),
    ],
)
def test_errors_say_why_and_nothing_of_the_answer(port: int, path: str, words: str) -> None:
    with pytest.raises(DriverError, match=words) as caught:
        ask(HttpFetcher(), f"http://issuer.test:{port}{path}")
    assert "secret words" not in str(caught.value)


@pytest.mark.root
def test_a_name_without_an_address_and_a_port_without_a_server_are_told(port: int) -> None:
    with pytest.raises(DriverError, match="has no address"):
        ask(HttpFetcher(), f"http://nowhere.test:{port}/keys")
    with pytest.raises(DriverError, match="refused"):
        ask(HttpFetcher(), "http://127.0.0.1:1/keys")


@pytest.mark.root
def test_redirects_are_followed(port: int) -> None:
    assert ask(HttpFetcher(), f"http://issuer.test:{port}/moved").text == KEYS


@pytest.mark.root
def test_an_issuer_says_where_its_keys_are(port: int) -> None:
    assert ask(HttpFetcher(), f"http://issuer.test:{port}/", discover=True).text == KEYS
    with pytest.raises(DriverError, match="names no jwks_uri"):
        ask(HttpFetcher(), f"http://issuer.test:{port}/bare", discover=True)


def certificate(folder: Path, host: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate that signs itself, as file and as a server has it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)  # noqa: TID251 certificates live in real time
    names: list[x509.GeneralName] = [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = (
        made.serial_number(1).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    )
    made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path, both = folder / "ca.pem", folder / "both.pem"
    path.write_bytes(pem)
    both.write_bytes(pem + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return path, context


@pytest.mark.root
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    roots, context = certificate(tmp_path, "issuer.test")
    server = serve(context)
    port = next(server)
    try:
        assert ask(HttpFetcher(str(roots)), f"https://issuer.test:{port}/keys").text == KEYS
        with pytest.raises(DriverError, match="certificate verify failed"):
            ask(HttpFetcher(), f"https://issuer.test:{port}/keys")
    finally:
        next(server, None)


@pytest.mark.root
@pytest.mark.parametrize("host", ["127.0.0.1", "issuer.test", "169.254.169.254", "[::ffff:127.0.0.1]", "[::1]"])
def test_from_the_namespace_of_a_node_nothing_of_the_host_itself_is_asked(port: int, host: str) -> None:
    place = Place(url=f"http://{host}:{port}/keys", discover=False, timeout=5.0, outward=True)
    with pytest.raises(DriverError, match="is an address of the host itself"):
        HttpFetcher().fetch(place, HERE, resolve)
