"""A SPIFFE Workload API to test against, written from its specification: bundles of trust domains, and their changes.

Its messages are those of the `spiffe` package, which is no relative of ours.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from spiffe._proto import workload_pb2, workload_pb2_grpc

HEADER = ("workload.spiffe.io", "true")


def der(*pems: str) -> bytes:
    """Certificates one behind the other, as bundles have them."""
    found = [c for pem in pems if pem for c in x509.load_pem_x509_certificates(pem.encode())]
    return b"".join(c.public_bytes(Encoding.DER) for c in found)


class WorkloadApiServer(workload_pb2_grpc.SpiffeWorkloadAPIServicer):
    """`tell` gives every client all of it anew; without anything to tell nobody is entitled to anything."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._told: Any = None
        self._version = 0
        self._streams: list[Any] = []
        self.clients = 0
        """Streams that ever began."""

    def tell(self, bundles: Mapping[str, bytes] | None, *, crl: tuple[bytes, ...] = ()) -> None:
        """Bundles by trust domain; None: nobody is entitled."""
        keyed = {f"spiffe://{domain}": bundle for domain, bundle in (bundles or {}).items()}
        told = None if bundles is None else workload_pb2.X509BundlesResponse(crl=crl, bundles=keyed)
        with self._news:
            self._told, self._version = told, self._version + 1
            self._news.notify_all()

    def hang_up(self) -> None:
        """End every stream."""
        with self._news:
            streams, self._streams = self._streams, []
        for context in streams:
            context.cancel()

    def FetchX509Bundles(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        del request
        if HEADER not in [(key, value) for key, value in context.invocation_metadata()]:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "security header missing from request")
        gone = threading.Event()

        def end() -> None:
            gone.set()
            with self._news:
                self._news.notify_all()

        seen = -1
        if not context.add_callback(end):
            return
        with self._news:
            self._streams.append(context)
            self.clients += 1
        while True:
            with self._news:
                while not gone.is_set() and self._version == seen:
                    self._news.wait()
                seen, told = self._version, self._told
            if gone.is_set():
                return
            if told is None:
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
            yield told


@contextmanager
def workload_api(path: Path) -> Iterator[WorkloadApiServer]:
    """One that listens on a socket, and is gone afterwards with the socket."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = WorkloadApiServer()
    server = grpc.server(futures.ThreadPoolExecutor(8))
    grpcs: Any = workload_pb2_grpc
    grpcs.add_SpiffeWorkloadAPIServicer_to_server(made, server)
    server.add_insecure_port(f"unix:{path}")
    server.start()
    try:
        yield made
    finally:
        server.stop(0).wait()
        path.unlink(missing_ok=True)
