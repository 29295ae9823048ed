"""Runs in the pods of conformance cases: answers requests with what it saw of them, over HTTP/1.1, gRPC and plain TCP.

HTTP at 8080: JSON of method, path, host and headers (values of one name joined by a comma). gRPC at 7070: any method of
any service answers with the same as bytes; one named Stream gives back each message as it comes. TCP at 9090: greets,
then echoes. All name the pod.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import socket
import socketserver
import threading
from collections.abc import Iterable
from concurrent import futures
from typing import Any

import grpc

NAME = os.environ.get("NAME") or socket.gethostname()


def seen(method: str, path: str, pairs: Iterable[tuple[str, str]]) -> bytes:
    headers: dict[str, str] = {}
    for name, value in pairs:
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known},{value}"
    host = headers.pop("host", headers.pop(":authority", ""))
    return json.dumps({"pod": NAME, "method": method, "path": path, "host": host, "headers": headers}).encode()


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = seen(self.command, self.path, self.headers.items())
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


class Tcp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(f"{NAME}\n".encode())
        with contextlib.suppress(OSError):
            while data := self.request.recv(4096):
                self.request.sendall(data)


class TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


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
    threading.Thread(target=TcpServer(("0.0.0.0", 9090), Tcp).serve_forever, daemon=True).start()
    HttpServer(("0.0.0.0", 8080), Http).serve_forever()


if __name__ == "__main__":
    main()
