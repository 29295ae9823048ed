"""Runs in the pods of conformance cases: answers with what it saw of a request, over HTTP/1.1, gRPC, TCP, TLS and UDP.

HTTP at 8080: JSON of method, path, host and headers (values of one name joined by a comma), with the number of requests
that have come with this `x-id`. In the query: `delay=SECONDS`, `fail=STATUS`, `reset=1` (the connection is), for the
first `times` requests of an `x-id` where that is there; `arrived=ID` tells the number and counts nothing. A request to
upgrade to WebSocket gets it: the answer to a message is the same JSON with the message. gRPC at 7070: any method of
any service answers with the same as bytes; one named Stream gives back each message as it comes. HTTP/2 alone at 8082
(`http2.py`). TCP at 9090: greets, then echoes; in TLS at 9443, with a certificate of `backend.test`, and the greeting
has the name that was asked for too. UDP at 5353: sends back. All name the pod.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import socket
import socketserver
import ssl
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent import futures
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import grpc

sys.path.insert(0, str(Path(__file__).parents[1]))

from conformance import http2, websocket
from pems import pem

NAME = os.environ.get("NAME") or socket.gethostname()


ARRIVED: Counter[str] = Counter()
"""Requests by `x-id`."""


def seen(method: str, path: str, pairs: Iterable[tuple[str, str]], **more: Any) -> bytes:
    headers: dict[str, str] = {}
    for name, value in pairs:
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known},{value}"
    host = headers.pop("host", headers.pop(":authority", ""))
    return json.dumps({"pod": NAME, "method": method, "path": path, "host": host, "headers": headers, **more}).encode()


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        asked = dict(parse_qsl(urlsplit(self.path).query))
        if "arrived" in asked:
            self._answer(200, ARRIVED[asked["arrived"]])
            return
        unique = self.headers.get("x-id", "")
        ARRIVED[unique] += 1
        number = ARRIVED[unique]
        odd = number <= int(asked.get("times", number))
        if odd and "delay" in asked:
            time.sleep(float(asked["delay"]))
        if odd and "reset" in asked:
            # Without time to linger, and without a word of its end before: the peer gets RST.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True
        elif self.headers.get("upgrade", "").lower() == "websocket":
            self._upgrade()
        else:
            self._answer(int(asked.get("fail", 200)) if odd else 200, number)

    def _answer(self, status: int, number: int) -> None:
        body = seen(self.command, self.path, self.headers.items(), attempt=number, **self.more())
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def more(self) -> dict[str, str]:
        """What there is to say of the connection."""
        return {}

    def _upgrade(self) -> None:
        self.send_response(101)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "Upgrade")
        self.send_header("sec-websocket-accept", websocket.accept(self.headers["sec-websocket-key"]))
        self.end_headers()
        message = websocket.receive(self.rfile)
        body = seen(self.command, self.path, self.headers.items(), message=message.decode())
        self.wfile.write(websocket.frame(body))
        self.close_connection = True

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


class Tcp(socketserver.BaseRequestHandler):
    greeting = f"{NAME}\n"

    def handle(self) -> None:
        self.request.sendall(self.greeting.encode())
        with contextlib.suppress(OSError):
            while data := self.request.recv(4096):
                self.request.sendall(data)


@cache
def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(pem("backend.test")))
        file.flush()
        context.load_cert_chain(file.name)
    context.sni_callback = lambda connection, name, _: setattr(connection, "asked", name or "")
    return context


class Secure(Tcp):
    def setup(self) -> None:
        self.request = tls().wrap_socket(self.request, server_side=True)
        self.greeting = f"{NAME} {self.request.asked}\n"

    def finish(self) -> None:
        self.request.close()


class Udp(socketserver.BaseRequestHandler):
    """Sends each datagram back with the name in front of it."""

    def handle(self) -> None:
        data, answering = self.request
        answering.sendto(f"{NAME}\n".encode() + data, self.client_address)


class TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Http2(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        body = json.dumps({"pod": NAME, "protocol": "HTTP/2"}).encode()
        with contextlib.suppress(OSError, EOFError):
            http2.serve(self.request, body)


class HttpServer(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


class Echo(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    def service(self, details: Any) -> Any:
        pairs = [(item.key, item.value) for item in details.invocation_metadata if isinstance(item.value, str)]

        if details.method.endswith("/Stream"):
            return grpc.stream_stream_rpc_method_handler(lambda messages, _: messages)

        def answer(_request: bytes, _context: Any) -> bytes:
            return seen("POST", details.method, pairs)

        return grpc.unary_unary_rpc_method_handler(answer)


def main() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((Echo(),))
    server.add_insecure_port("0.0.0.0:7070")
    server.start()
    for port, handler in {8082: Http2, 9090: Tcp, 9443: Secure}.items():
        threading.Thread(target=TcpServer(("0.0.0.0", port), handler).serve_forever, daemon=True).start()
    datagrams = socketserver.UDPServer(("0.0.0.0", 5353), Udp)
    threading.Thread(target=datagrams.serve_forever, daemon=True).start()
    HttpServer(("0.0.0.0", 8080), Http).serve_forever()


if __name__ == "__main__":
    main()
