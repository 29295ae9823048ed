"""Applications and clients in pods: threads of the test whose sockets were made inside the pod's namespace."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tandem.base.netns import in_netns


def listening(netns: Path, port: int, host: str = "0.0.0.0") -> socket.socket:
    return in_netns(str(netns), lambda: socket.create_server((host, port), backlog=64))


def dial(netns: Path, address: str, port: int, timeout: float = 8.0) -> socket.socket:
    return in_netns(str(netns), lambda: socket.create_connection((address, port), timeout=timeout))


class _Report(http.server.BaseHTTPRequestHandler):
    """Answers with what the application saw: peer address, verified peer identity, headers.

    With `x-answer: NAME=VALUE` the answer has that header.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        server = self.server
        self.rfile.read(int(self.headers.get("content-length") or 0))
        seen = {
            "app": getattr(server, "label", ""),
            "peer": self.client_address[0],
            "xfcc": self.headers.get("x-forwarded-client-cert", ""),
            "path": self.path,
            "who": self.headers.get("x-who", ""),
            "headers": dict(self.headers),
        }
        body = json.dumps(seen).encode()
        if self.path == "/slow":
            time.sleep(0.3)
        self.send_response({f"/fail-{seen['app']}": 500, "/busy": 503}.get(self.path, 200))
        self.send_header("content-length", str(len(body)))
        if "x-answer" in self.headers:
            self.send_header(*self.headers["x-answer"].split("=", 1))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class _Greeter(socketserver.BaseRequestHandler):
    """Speaks first, then echoes."""

    def handle(self) -> None:
        self.request.sendall(f"hello {self.client_address[0]}\n".encode())
        with contextlib.suppress(OSError):
            while data := self.request.recv(4096):
                self.request.sendall(data)


@contextlib.contextmanager
def serving(server: socketserver.TCPServer, sock: socket.socket) -> Iterator[None]:
    """A server that is bound to nothing serves at this socket."""
    server.socket.close()
    server.socket = sock
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.socket.close()


@contextlib.contextmanager
def http_app(netns: Path, port: int, label: str = "", host: str = "0.0.0.0") -> Iterator[None]:
    """An HTTP/1.1 server with keep-alive."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), _Report, bind_and_activate=False)
    server.label = label  # type: ignore[attr-defined]
    with serving(server, listening(netns, port, host)):
        yield


@contextlib.contextmanager
def greeter_app(netns: Path, port: int) -> Iterator[None]:
    """A TCP server that speaks first."""

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), _Greeter, bind_and_activate=False)
    with serving(server, listening(netns, port)):
        yield


class Client(http.client.HTTPConnection):
    """A keep-alive HTTP client inside a pod."""

    def __init__(self, netns: Path, address: str, port: int) -> None:
        super().__init__(address, port, timeout=8)
        self._netns = netns

    def connect(self) -> None:
        self.sock = dial(self._netns, self.host, self.port)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path: str = "/", **headers: str) -> tuple[int, dict[str, Any]]:
        """Status and decoded body ({} if it is no JSON)."""
        self.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        response = self.getresponse()
        data = response.read()
        return response.status, json.loads(data) if data.startswith(b"{") else {}


def get(netns: Path, address: str, port: int, path: str = "/", **headers: str) -> tuple[int, dict[str, Any]]:
    """One request over a connection of its own."""
    with contextlib.closing(Client(netns, address, port)) as client:
        return client.get(path, **headers)


def repeats(netns: Path, address: str, port: int) -> bool:
    """Whether what is said there comes back, whatever comes before it."""
    with contextlib.closing(dial(netns, address, port)) as sock, contextlib.suppress(ConnectionError, TimeoutError):
        sock.sendall(b"select")
        seen = b""
        while data := sock.recv(100):
            seen += data
            if b"select" in seen:
                return True
    return False


def read_all(sock: socket.socket) -> bytes:
    """What comes until the other end closes or resets."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := sock.recv(4096):
            data += chunk
    return data
