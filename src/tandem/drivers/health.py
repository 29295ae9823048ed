"""Health checks of load balancers (healthCheckNodePort): a small HTTP server for each port, on every address.

Answers as kube-proxy does: 200 while the Service has ready endpoints on this node and the node's rules are in force,
else 503, with a JSON body. Nothing of a request is looked at but its method. No connection of a Service comes here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Final

from tandem.state.outward import HealthCheck

LONGEST_HEAD: Final = 8192
_Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PATIENCE: Final = 5.0
"""Seconds for a client to send its request."""


class HealthServer:
    """`serve` may be called again and again; `close` frees every port."""

    def __init__(self) -> None:
        self._checks: dict[int, HealthCheck] = {}
        self._servers: dict[int, asyncio.Server] = {}
        self._healthy = True

    async def serve(self, checks: Iterable[HealthCheck], *, healthy: bool) -> dict[str, str]:
        """Answer for exactly these; `healthy`: the kernel has the node's rules. Returns what could not be, by name."""
        self._checks = {check.port: check for check in checks}
        self._healthy = healthy
        for port in set(self._servers) - set(self._checks):
            self._servers.pop(port).close()
        failed: dict[str, str] = {}
        for port, check in self._checks.items():
            if port in self._servers:
                continue
            try:
                self._servers[port] = await asyncio.start_server(self._answer_on(port), port=port, limit=LONGEST_HEAD)
            except OSError as err:
                name = f"health/{check.namespace}/{check.service}"
                failed[name] = f"healthCheckNodePort {port} of {check.namespace}/{check.service}: {err.strerror or err}"
        return failed

    async def close(self) -> None:
        """Serve nothing."""
        await self.serve((), healthy=False)

    def _answer_on(self, port: int) -> _Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(PATIENCE):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer(port, with_body=not head.startswith(b"HEAD ")))
                    await writer.drain()
            writer.close()

        return handle

    def _answer(self, port: int, *, with_body: bool) -> bytes:
        check = self._checks.get(port)
        count = check.endpoints if check else 0
        status = HTTPStatus.OK if count and self._healthy else HTTPStatus.SERVICE_UNAVAILABLE
        body = json.dumps(
            {
                "service": {"namespace": check.namespace, "name": check.service} if check else {},
                "localEndpoints": count,
                "serviceProxyHealthy": self._healthy,
            }
        ).encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            "Content-Type: application/json\r\n"
            "X-Content-Type-Options: nosniff\r\n"
            f"X-Load-Balancing-Endpoint-Weight: {count}\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        return head.encode() + (body if with_body else b"")
