"""Ways past the proxy of a pod: certificates that prove nothing, a proxy that stands still or is gone, marks."""

from __future__ import annotations

import contextlib
import datetime
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from meshbuild import attached, identity, service, strict, view
from netns.meshapps import dial, greeter_app, http_app, listening
from netns.meshlab import Ca, Lab
from netns.test_mesh_smuggling import CLOSED, World
from tandem.base.netns import in_netns
from tandem.ir.fabric import AppProtocol
from tandem.state.ownership import ENVOY_MARK, INBOUND_MARK, TPROXY_MARK

pytestmark = pytest.mark.root

A, B, C = (f"10.244.0.{n}" for n in (2, 3, 4))
DAY = datetime.timedelta(days=1)
Builder = x509.CertificateBuilder


@pytest.fixture(scope="module")
def mesh() -> Iterator[Lab]:
    """Pod a is in the mesh, b takes nothing but mTLS and greets, c is outside."""
    with Lab("by") as lab:
        ns = {name: lab.pod(name, address) for name, address in (("a", A), ("b", B), ("c", C))}
        a, b = attached("a", A, netns=str(ns["a"])), attached("b", B, netns=str(ns["b"]), mtls=strict(0))
        lab.apply(view(a, b, service("web", "10.96.1.1", ("http", 80, AppProtocol.HTTP))))
        with greeter_app(ns["b"], 9000), http_app(ns["b"], 8080, "b"):
            yield lab


def space(lab: Lab, name: str) -> Path:
    return Path("/run/netns") / f"{lab.prefix}-{name}"


class Forged:
    """What a certificate can have wrong; each takes the authority of the mesh, and is signed by it or below it."""

    def __init__(self, ca: Ca) -> None:
        self.ca = ca
        self.key = ec.generate_private_key(ec.SECP256R1())

    def made(
        self,
        *names: x509.GeneralName,
        issuer: x509.Name | None = None,
        begins: datetime.timedelta = -DAY,
        ends: datetime.timedelta = DAY,
    ) -> Builder:
        now = datetime.datetime.now(datetime.UTC)  # noqa: TID251 certificates live in real time
        named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, identity("a"))])
        made = Builder().subject_name(named).issuer_name(self.ca._name if issuer is None else issuer)
        made = (
            made.public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
        )
        made = made.not_valid_after(now + ends)
        return made.add_extension(x509.SubjectAlternativeName(list(names)), True) if names else made

    def signed(self, made: Builder) -> str:
        return self.ca._pem(made.sign(self.ca._key, hashes.SHA256())) + self._secret(self.key)

    def below_a_pods(self) -> str:
        """A pod signs with the key of its own certificate, and shows both."""
        chain, secret = self.ca.issue(identity("a"))
        signer = serialization.load_pem_private_key(secret.encode(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        made = self.made(URI, issuer=x509.load_pem_x509_certificate(chain.encode()).subject)
        return self.ca._pem(made.sign(signer, hashes.SHA256())) + chain + self._secret(self.key)

    @staticmethod
    def _secret(key: ec.EllipticCurvePrivateKey) -> str:
        form = serialization.PrivateFormat.PKCS8
        return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


URI = x509.UniformResourceIdentifier(identity("a"))
SERVERS = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
CERTIFICATES: dict[str, Callable[[Forged], str]] = {
    "expired": lambda f: f.signed(f.made(URI, begins=-2 * DAY, ends=-DAY)),
    "of tomorrow": lambda f: f.signed(f.made(URI, begins=DAY, ends=2 * DAY)),
    "no names, a subject": lambda f: f.signed(f.made()),
    "the name as one of DNS": lambda f: f.signed(f.made(x509.DNSName(identity("a")))),
    "the name as one of mail": lambda f: f.signed(f.made(x509.RFC822Name(identity("a")))),
    "a domain that begins alike": lambda f: f.signed(
        f.made(x509.UniformResourceIdentifier("spiffe://cluster.local.evil/ns/shop/sa/a"))
    ),
    "another scheme": lambda f: f.signed(f.made(x509.UniformResourceIdentifier(identity("a")[len("spiffe:") :]))),
    "for servers alone": lambda f: f.signed(f.made(URI).add_extension(SERVERS, False)),
    "signed by a pod": Forged.below_a_pods,
}


def heard(lab: Lab, pair: str, tmp_path: Path) -> bytes:
    """What the server says to a client with this certificate."""
    (tmp_path / "client.pem").write_text(pair)
    context = ssl.create_default_context()
    context.load_cert_chain(tmp_path / "client.pem")
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["tandem-tcp"])
    refused = contextlib.suppress(ssl.SSLError, ConnectionResetError)
    with refused, dial(space(lab, "c"), B, 9000) as sock, context.wrap_socket(sock) as wrapped:
        wrapped.settimeout(3)
        return wrapped.recv(100)
    return b""


@pytest.mark.parametrize("wrong", CERTIFICATES)
def test_a_certificate_that_proves_nothing_gets_nothing(mesh: Lab, tmp_path: Path, wrong: str) -> None:
    forged = Forged(mesh.ca)
    assert heard(mesh, CERTIFICATES[wrong](forged), tmp_path) == b""
    assert heard(mesh, forged.signed(forged.made(URI)), tmp_path) == f"hello {C}\n".encode()


UNPRIVILEGED = ("setpriv", "--bounding-set", "-all,+net_raw,+net_bind_service", "--inh-caps", "-all")
MARKED = """
import socket, sys
mark, host, port = sys.argv[1:]
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, 36, int(mark))
sock.settimeout(3)
try:
    sock.connect((host, int(port)))
    sock.sendall(b"GET / HTTP/1.1\\r\\nhost: web\\r\\nconnection: close\\r\\n\\r\\n")
    print(sock.recv(99))
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("mark", [ENVOY_MARK, INBOUND_MARK, TPROXY_MARK])
def test_a_pod_that_marks_its_packets_passes_its_own_proxy_and_no_other(mesh: Lab, mark: int) -> None:
    """CAP_NET_RAW, which containers have by default, is enough for SO_MARK since Linux 5.17."""
    command = ["ip", "netns", "exec", space(mesh, "a").name, *UNPRIVILEGED, sys.executable, "-c", MARKED]
    for port in ("8080", "9000"):
        done = subprocess.run([*command, str(mark), B, port], capture_output=True, text=True, check=True, timeout=20)
        assert "hello" not in done.stdout
        assert "200" not in done.stdout


def test_a_proxy_that_does_not_move_lets_nothing_past(mesh: Lab) -> None:
    """Its sockets take what fits into their queues, and nothing beyond that gets to the application."""
    os.kill(mesh.envoy.pid, signal.SIGSTOP)
    try:
        socks = in_netns(str(space(mesh, "c")), lambda: [socket.socket() for _ in range(600)])
        with contextlib.ExitStack() as stack:
            for sock in socks:
                stack.enter_context(sock)
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    sock.connect((B, 9000))
            time.sleep(1.0)
            for sock in socks:
                with pytest.raises(BlockingIOError):
                    assert sock.recv(99) == b""
    finally:
        os.kill(mesh.envoy.pid, signal.SIGCONT)
    assert mesh.admin("/ready")


class Wire:
    """TCP segments from one pod to another as somebody writes them who wants no kernel to help."""

    def __init__(self, netns: Path) -> None:
        subprocess.run(["ip", "netns", "exec", netns.name, "nft", "-f", "-"], input=MUTE, text=True, check=True)
        self._sock = in_netns(str(netns), lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP))
        self._sock.settimeout(0.3)

    def send(self, flags: int, seq: int, ack: int = 0, data: bytes = b"") -> None:
        head = struct.pack("!HHIIBBHHH", PORT, 8080, seq, ack, 5 << 4, flags, 64240, 0, 0)
        ends = socket.inet_aton(A) + socket.inet_aton(B) + struct.pack("!BBH", 0, 6, len(head) + len(data))
        words = ends + head + data + bytes(len(data) % 2)
        total = sum(struct.unpack(f"!{len(words) // 2}H", words))
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        self._sock.sendto(head[:16] + struct.pack("!H", ~total & 0xFFFF) + head[18:] + data, (B, 0))

    def answer(self, flags: int, seconds: float = 2.0) -> int | None:
        """The sequence number of the first segment with exactly these flags."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                packet = self._sock.recv(2048)
                at = (packet[0] & 15) * 4
                port, _, seq, _, _, told = struct.unpack_from("!HHIIBB", packet, at)
                if (port, told) == (8080, flags):
                    return int(seq)
        return None

    def close(self) -> None:
        self._sock.close()


PORT = 5555
SYN, ACK = 2, 16
MUTE = "add table ip q; add chain ip q o { type filter hook output priority 0; }; add rule ip q o tcp flags rst drop\n"
"""The kernel knows nothing of these connections, and would end them."""


def test_a_connection_that_outlives_the_proxy_lets_no_other_one_in() -> None:
    """A client keeps the kernel's memory of a connection, and opens another with the same ends while nobody listens."""
    with Lab("ol") as lab:
        world = World(lab)
        world.server.socket.close()
        world.server.socket = listening(world.ns["b"], 8080)
        # The kernel would go on asking for an end for a minute and a half.
        fewer = ["sysctl", "-qw", "net.ipv4.tcp_orphan_retries=1"]
        subprocess.run(["ip", "netns", "exec", world.ns["b"].name, *fewer], check=True)
        world.put(CLOSED)
        thread = threading.Thread(target=world.server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            with contextlib.closing(Wire(world.ns["a"])) as wire:
                wire.send(SYN, 1000)
                first = wire.answer(SYN | ACK)
                assert first is not None
                wire.send(ACK, 1001, first + 1)
                time.sleep(0.3)
                lab.envoy.kill()
                lab.envoy.wait()
                while str(PORT) in sockets(world.ns["b"]):
                    time.sleep(0.1)
                wire.send(SYN, 900_000)
                assert wire.answer(SYN | ACK) is None
            assert world.server.heard == []
        finally:
            world.server.shutdown()
            thread.join()
            world.server.socket.close()


def sockets(netns: Path) -> str:
    command = ["ip", "netns", "exec", netns.name, "ss", "-Htan", "sport", "8080"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
