"""A server of figures in Prometheus' text format: GET /metrics over a unix socket, and over TCP if that is asked for.

In: what renders the figures, as bytes. Out: answers. Rendering runs in a thread, since it may ask the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger()

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LONGEST_HEAD: Final = 8192
PATIENCE: Final = 5.0
"""Seconds for a client to send its request."""


class Exposition:
    """`address`: empty, or HOST:PORT (an address of IPv6 in brackets)."""

    def __init__(self, render: Callable[[], bytes], socket: Path, address: str = "") -> None:
        self._render = render
        self._socket = socket
        self._address = address

    async def run(self) -> None:
        """Serve until cancelled. An address that cannot be had is logged, the socket is served all the same."""
        self._socket.unlink(missing_ok=True)
        servers = [await asyncio.start_unix_server(self._answer, self._socket, limit=LONGEST_HEAD)]
        self._socket.chmod(0o600)
        if self._address:
            host, _, port = self._address.rpartition(":")
            try:
                made = await asyncio.start_server(self._answer, host.strip("[]"), int(port), limit=LONGEST_HEAD)
            except (OSError, ValueError) as err:
                log.error("figures not served", address=self._address, error=str(err))
            else:
                servers.append(made)
        async with contextlib.AsyncExitStack() as stack:
            for server in servers:
                await stack.enter_async_context(server)
            await asyncio.gather(*(server.serve_forever() for server in servers))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
            method, path, *_ = [*head.split(b" ", 2), b"", b""]
            status, body = HTTPStatus.OK, b""
            if path.partition(b"?")[0] != b"/metrics":
                status, body = HTTPStatus.NOT_FOUND, b"see /metrics\n"
            elif method not in {b"GET", b"HEAD"}:
                status, body = HTTPStatus.METHOD_NOT_ALLOWED, b"GET\n"
            else:
                body = await asyncio.to_thread(self._render)
            writer.write(_head(status, len(body)) + (b"" if method == b"HEAD" else body))
            await writer.drain()
        writer.close()


def _head(status: HTTPStatus, length: int) -> bytes:
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"Content-Length: {length}\r\nConnection: close\r\n\r\n"
    ).encode()
