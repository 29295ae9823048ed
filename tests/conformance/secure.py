"""Runs in the pods of conformance cases beside `echo.py`: the same over TLS, with a certificate of an authority.

HTTPS at 8443, gRPC at 7443, TCP at 9443; plain HTTP at 8080, for whoever asks what has arrived. Answers have the name
that was asked for (`sni`), and of whom the certificate of the client is (`certificate`). In /tmp/tls are `tls.crt` and
`tls.key`; in /tmp/clients, where that is there, the bundle `ca.crt` of the authorities of whom every client must have a
certificate.
"""

from __future__ import annotations

import ssl
import sys
import threading
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

sys.path.insert(0, str(Path(__file__).parents[1]))

from conformance import echo

PAIR = Path("/tmp/tls")
CLIENTS = Path("/tmp/clients/ca.crt")


def context() -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(PAIR / "tls.crt", PAIR / "tls.key")
    if CLIENTS.exists():
        found.load_verify_locations(CLIENTS)
        found.verify_mode = ssl.CERT_REQUIRED
    found.sni_callback = lambda connection, name, _: setattr(connection, "asked", name or "")
    return found


class Http(echo.Http):
    def setup(self) -> None:
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)  # type: ignore[attr-defined]
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def more(self) -> dict[str, str]:
        shown = self.request.getpeercert() or {}
        names = dict(pair for part in shown.get("subject", ()) for pair in part)
        return {"sni": self.request.asked, "certificate": names.get("commonName", "")}


class Tcp(echo.Tcp):
    def setup(self) -> None:
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)  # type: ignore[attr-defined]
        self.greeting = f"{echo.NAME} {self.request.asked}\n"

    def finish(self) -> None:
        self.request.close()


def main() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((echo.Echo(),))
    pair = (PAIR / "tls.key").read_bytes(), (PAIR / "tls.crt").read_bytes()
    server.add_secure_port("0.0.0.0:7443", grpc.ssl_server_credentials([pair]))
    server.start()
    made: tuple[Any, ...] = (
        echo.TcpServer(("0.0.0.0", 9443), Tcp),
        echo.HttpServer(("0.0.0.0", 8443), Http),
    )
    for listening in made:
        listening.tls = context()
        threading.Thread(target=listening.serve_forever, daemon=True).start()
    echo.HttpServer(("0.0.0.0", 8080), echo.Http).serve_forever()


if __name__ == "__main__":
    main()
