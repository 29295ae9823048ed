"""A gRPC server inside a namespace, until the end of a block."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

from tandem.base.netns import in_netns


@contextlib.contextmanager
def serving_grpc(netns: Path, port: int, add: Callable[[Any], None]) -> Iterator[None]:
    """`add` gives the server what it serves."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    add(server)
    in_netns(str(netns), lambda: server.add_insecure_port(f"0.0.0.0:{port}"))
    server.start()
    try:
        yield
    finally:
        server.stop(0).wait()
