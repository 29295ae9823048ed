"""External authorizers in pods: Envoy's ext_authz over gRPC, and over plain HTTP.

Both refuse what has `x-say: no`, or a body with `no` in it, and remember what they were asked. They answer an allowed
question with `x-checked: yes`, for the application and for the client, and a refused one with `x-why: because`.
"""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2 as auth
from envoy.service.auth.v3 import external_auth_pb2_grpc
from envoy.type.v3 import http_status_pb2

from netns.grpcserving import serving_grpc
from netns.meshapps import listening


@dataclass
class Asked:
    """One question."""

    path: str
    headers: dict[str, str]
    body: str = ""
    source: str = ""


@dataclass
class Book:
    """Every question, in order."""

    asked: list[Asked] = field(default_factory=list)

    def allows(self, one: Asked) -> bool:
        self.asked.append(one)
        return one.headers.get("x-say") != "no" and "no" not in one.body


class _Grpc(external_auth_pb2_grpc.AuthorizationServicer):  # type: ignore[misc]
    def __init__(self, book: Book) -> None:
        self._book = book

    def Check(self, request: Any, _context: Any) -> Any:  # noqa: N802
        asked = request.attributes.request.http
        headers, body = dict(asked.headers), asked.body or asked.raw_body.decode()
        source = request.attributes.source.address.socket_address.address
        if self._book.allows(Asked(path=asked.path, headers=headers, body=body, source=source)):
            return auth.CheckResponse(
                status={"code": 0},
                ok_response=auth.OkHttpResponse(headers=_told("x-checked", "yes")),
            )
        denied = auth.DeniedHttpResponse(
            status=http_status_pb2.HttpStatus(code=403), headers=_told("x-why", "because"), body="no"
        )
        return auth.CheckResponse(status={"code": 7}, denied_response=denied)


def _told(name: str, value: str) -> list[Any]:
    return [base_pb2.HeaderValueOption(header=base_pb2.HeaderValue(key=name, value=value))]


@contextlib.contextmanager
def grpc_authorizer(netns: Path, port: int) -> Iterator[Book]:
    book = Book()
    with serving_grpc(netns, port, partial(external_auth_pb2_grpc.add_AuthorizationServicer_to_server, _Grpc(book))):
        yield book


@contextlib.contextmanager
def http_authorizer(netns: Path, port: int) -> Iterator[Book]:
    book = Book()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            allowed = book.allows(Asked(path=self.path, headers=headers, body=body))
            self.send_response(200 if allowed else 403)
            self.send_header(*(("x-checked", "yes") if allowed else ("x-why", "because")))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening(netns, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield book
    finally:
        server.shutdown()
        thread.join()
        server.socket.close()
