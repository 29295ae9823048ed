"""A small client of Envoy's admin interface: HTTP over its unix socket.

A request per connection; answers are plain text or JSON. Raises AdminError when Envoy does not answer.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from tandem.base.problems import DriverError


class AdminError(DriverError):
    """Envoy's admin interface did not answer, or not with 200."""


class Admin:
    """`path` is the admin socket."""

    def __init__(self, path: Path, deadline: float = 5.0) -> None:
        self._path = path
        self._deadline = deadline

    async def ready(self) -> bool:
        """True when Envoy has its first configuration and accepts connections."""
        try:
            status, state = await self._request("GET", "/ready")
        except AdminError:
            return False
        # It says so, and goes on with all that it does, while clients of gateways are turned away.
        return status == 200 or state.strip() == b"DRAINING"

    async def server_info(self) -> dict[str, Any]:
        """State, version, uptime."""
        info: dict[str, Any] = msgspec.json.decode(await self.get("/server_info"))
        return info

    async def clusters(self) -> dict[str, Any]:
        """Clusters with their hosts and health."""
        clusters: dict[str, Any] = msgspec.json.decode(await self.get("/clusters?format=json"))
        return clusters

    async def requests(self, cluster: str) -> tuple[int, int]:
        """(requests under way, requests ever) at the hosts of a cluster; connections where it carries bytes.

        With those of the clusters below its name (`NAME/…`).
        """
        pattern = quote(f"^{re.escape(cluster)}(/.*)?$")
        lines = (await self.get(f"/clusters?filter={pattern}")).decode().splitlines()
        sums = {"rq_active": 0, "rq_total": 0}
        for name, figure, value in (line.rsplit("::", 2) for line in lines if line.count("::") > 2):
            if name.startswith((f"{cluster}::", f"{cluster}/")) and figure in sums:
                sums[figure] += int(value)
        return sums["rq_active"], sums["rq_total"]

    async def stats(self, prefix: str = "") -> dict[str, int]:
        """Counters and gauges whose name begins with `prefix`."""
        lines = (await self.get("/stats")).decode().splitlines()
        pairs = (line.rpartition(": ") for line in lines if line.startswith(prefix))
        return {name: int(value) for name, _, value in pairs if value.isdigit()}

    async def get(self, target: str) -> bytes:
        """The body of a GET; raises AdminError unless the status is 200."""
        return await self._checked("GET", target)

    async def post(self, target: str) -> bytes:
        """The body of a POST (`/drain_listeners?graceful`, `/quitquitquit`)."""
        return await self._checked("POST", target)

    async def _checked(self, method: str, target: str) -> bytes:
        status, body = await self._request(method, target)
        if status != 200:
            raise AdminError(
                f"{self._path}: {method} {target} answered {status}: {body[:200].decode(errors='replace')}"
            )
        return body

    async def _request(self, method: str, target: str) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(self._deadline):
                reader, writer = await asyncio.open_unix_connection(self._path)
                try:
                    writer.write(f"{method} {target} HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n\r\n".encode())
                    return parse_response(await reader.read())
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError) as error:
            raise AdminError(f"{self._path}: {method} {target}: {error or type(error).__name__}") from error


def parse_response(data: bytes) -> tuple[int, bytes]:
    """(status, body) of a complete HTTP/1.1 response; raises ValueError if it is cut short."""
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        raise ValueError("the answer ends within its headers")
    status = int(head.split(b" ", 2)[1])
    if b"transfer-encoding: chunked" not in head.lower():
        return status, body
    out = b""
    while True:
        size_text, _, rest = body.partition(b"\r\n")
        size = int(size_text, 16)
        if size == 0:
            return status, out
        if len(rest) < size:
            raise ValueError("the answer ends within its body")
        out, body = out + rest[:size], rest[size + 2 :]
