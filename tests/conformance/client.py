"""Runs where the requests of conformance cases come from: a line of JSON in (an `Ask`), a line out (what came back).

Out: {"status", "headers", "seen"} for each of `times` requests: status is HTTP's or gRPC's code, `headers` are those of
the answer (for gRPC with the trailers), `seen` is what the application says that it saw ({} if it was not asked). What
fails below that gives {"error"}.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509

sys.path.insert(0, str(Path(__file__).parents[1]))

from conformance import websocket

Raw = dict[str, Any]
SECONDS = 10
SILENCE = 1.0
"""So long an answer to a datagram is waited for."""


def over_http(ask: Raw) -> list[Raw]:
    host, _, port = ask["to"].rpartition(":")
    found = []
    with contextlib.closing(connection_to(host, int(port), ask)) as connection:
        for _ in range(ask["times"]):
            connection.request(ask["method"], ask["path"], headers=ask["headers"])
            answer = connection.getresponse()
            body = answer.read()
            headers: dict[str, str] = {}
            for name, value in answer.getheaders():
                known = headers.get(name.lower())
                headers[name.lower()] = value if known is None else f"{known},{value}"
            found.append({"status": answer.status, "headers": headers, "seen": application(body)})
    return found


class Secure(http.client.HTTPConnection):
    """HTTPS that asks for a name of a server and takes whatever certificate it shows."""

    def __init__(self, host: str, port: int, ask: Raw) -> None:
        super().__init__(host, port, timeout=SECONDS)
        self._ask = ask

    def connect(self) -> None:
        super().connect()
        self.sock = wrapped(self.sock, self._ask)


def wrapped(connection: socket.socket, ask: Raw) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if ask["pair"]:
        with tempfile.NamedTemporaryFile() as file:
            file.write("".join(ask["pair"]).encode())
            file.flush()
            context.load_cert_chain(file.name)
    return context.wrap_socket(connection, server_hostname=ask["sni"])


def connection_to(host: str, port: int, ask: Raw) -> http.client.HTTPConnection:
    return Secure(host, port, ask) if ask["sni"] else http.client.HTTPConnection(host, port, timeout=SECONDS)


def over_grpc(ask: Raw) -> list[Raw]:
    found = []
    metadata = tuple((name.lower(), value) for name, value in ask["headers"].items())
    options = [("grpc.default_authority", value) for name, value in metadata if name == "host"]
    metadata = tuple(pair for pair in metadata if pair[0] != "host")
    with grpc.insecure_channel(ask["to"], options=options) as channel:
        method = channel.unary_unary(ask["path"], request_serializer=None, response_deserializer=None)
        for _ in range(ask["times"]):
            call: Any
            try:
                body, call = method.with_call(b"", metadata=metadata, timeout=SECONDS)
            except grpc.RpcError as err:
                body, call = b"", err
            pairs = (*(call.initial_metadata() or ()), *(call.trailing_metadata() or ()))
            headers = {name: value for name, value in pairs if isinstance(value, str)}
            found.append({"status": call.code().value[0], "headers": headers, "seen": application(body)})
    return found


def over_websocket(ask: Raw) -> list[Raw]:
    """One message each way; the application says what it has got."""
    host, _, port = ask["to"].rpartition(":")
    message = "there and back"
    wanted = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    with contextlib.closing(connection_to(host, int(port), ask)) as connection:
        headers = {**wanted, "Sec-WebSocket-Key": websocket.KEY, **ask["headers"]}
        connection.request("GET", ask["path"], headers=headers)
        answer = http.client.HTTPResponse(connection.sock, method="GET")
        answer.begin()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        if answer.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            return [{"status": answer.status, "headers": headers, "seen": {}}]
        if headers.get("sec-websocket-accept") != websocket.accept(websocket.KEY):
            raise http.client.HTTPException(f"accepted another key: {headers}")
        # What came with the head of the answer is in its buffer.
        connection.sock.sendall(websocket.frame(message.encode(), b"mask"))
        seen = application(websocket.receive(answer.fp))
        if seen.get("message") != message:
            raise http.client.HTTPException(f"the application got {seen.get('message')!r}")
        return [{"status": answer.status, "headers": headers, "seen": seen}]


def over_tcp(ask: Raw) -> list[Raw]:
    """A connection for each time: the application's greeting is read, then a message goes there and back."""
    host, _, port = ask["to"].rpartition(":")
    found = []
    for _ in range(ask["times"]):
        headers: dict[str, str] = {}
        with contextlib.ExitStack() as closing:
            try:
                connection = closing.enter_context(socket.create_connection((host, int(port)), timeout=SECONDS))
                if ask["sni"]:
                    connection = closing.enter_context(wrapped(connection, ask))
                    headers["certificate"] = shown(connection)
                stream = closing.enter_context(connection.makefile("rb"))
                greeting = stream.readline()
                connection.sendall(b"there and back\n")
                back = stream.readline()
            except (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
                greeting = back = b""
            if greeting and back != b"there and back\n":
                raise EOFError(f"{greeting!r} sent back {back!r}")
            name, _, asked = greeting.decode().strip().partition(" ")
            seen = {"pod": name, "host": asked} if name else {}
            found.append({"status": int(bool(name)), "headers": headers, "seen": seen})
    return found


def over_udp(ask: Raw) -> list[Raw]:
    """A socket for each time, which sends a datagram and hears who has got it, or nothing. 2: somebody refused it."""
    # A program of the node itself is told by its own kernel that a datagram was dropped there (EPERM).
    dropped = TimeoutError, PermissionError
    host, _, port = ask["to"].rpartition(":")
    found: list[Raw] = []
    for _ in range(ask["times"]):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(SILENCE)
            client.connect((host, int(port)))
            try:
                client.send(b"there and back")
                name, _, back = client.recv(4096).partition(b"\n")
            except (*dropped, ConnectionRefusedError) as err:
                found.append({"status": 0 if isinstance(err, dropped) else 2, "headers": {}, "seen": {}})
                continue
        if back != b"there and back":
            raise EOFError(f"{name!r} sent back {back!r}")
        found.append({"status": 1, "headers": {}, "seen": {"pod": name.decode()}})
    return found


def shown(connection: socket.socket) -> str:
    """Whose certificate the other end has shown."""
    assert isinstance(connection, ssl.SSLSocket)
    certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    (name,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(name.value)


def application(body: bytes) -> Raw:
    with contextlib.suppress(ValueError):
        found = json.loads(body)
        if isinstance(found, dict) and "pod" in found:
            return found
    return {}


SENDERS = {"http": over_http, "grpc": over_grpc, "websocket": over_websocket, "tcp": over_tcp, "udp": over_udp}


def main() -> None:
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            found: Any = SENDERS[ask["protocol"]](ask)
        except (OSError, EOFError, http.client.HTTPException) as err:
            found = [{"error": f"{type(err).__name__}: {err}"}]
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
