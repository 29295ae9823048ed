"""Health checks over real sockets of 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from tandem.drivers.health import LONGEST_HEAD, HealthServer
from tandem.state.outward import HealthCheck


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def check(port: int, endpoints: int) -> HealthCheck:
    return HealthCheck(port=port, namespace="shop", service="web", endpoints=endpoints)


async def get(port: int, request: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") -> tuple[int, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


def test_it_answers_as_kube_proxy_does() -> None:
    async def scene() -> None:
        server, port = HealthServer(), free_port()
        assert await server.serve([check(port, 2)], healthy=True) == {}
        status, head, body = await get(port)
        assert status == 200
        assert head["Content-Type"] == "application/json"
        assert head["X-Load-Balancing-Endpoint-Weight"] == "2"
        assert json.loads(body) == {
            "service": {"namespace": "shop", "name": "web"},
            "localEndpoints": 2,
            "serviceProxyHealthy": True,
        }
        assert (await get(port, b"HEAD /healthz HTTP/1.0\r\n\r\n"))[2] == b""
        await server.close()

    asyncio.run(scene())


@pytest.mark.parametrize(("endpoints", "healthy"), [(0, True), (2, False)])
def test_without_endpoints_or_rules_in_force_it_is_unavailable(endpoints: int, healthy: bool) -> None:  # noqa: FBT001
    async def scene() -> None:
        server, port = HealthServer(), free_port()
        await server.serve([check(port, 2)], healthy=True)
        await server.serve([check(port, endpoints)], healthy=healthy)
        status, _, body = await get(port)
        assert status == 503
        assert json.loads(body)["localEndpoints"] == endpoints
        await server.close()

    asyncio.run(scene())


def test_a_port_that_is_no_longer_wanted_is_closed() -> None:
    async def scene() -> None:
        server, port = HealthServer(), free_port()
        await server.serve([check(port, 1)], healthy=True)
        await server.serve([], healthy=True)
        with pytest.raises(ConnectionRefusedError):
            await get(port)

    asyncio.run(scene())


def test_a_port_that_is_taken_is_told_and_served_once_it_is_free() -> None:
    async def scene() -> None:
        server = HealthServer()
        with socket.create_server(("", 0)) as other:
            port = int(other.getsockname()[1])
            (text,) = (await server.serve([check(port, 1)], healthy=True)).values()
            assert text.startswith(f"healthCheckNodePort {port} of shop/web: ")
        assert await server.serve([check(port, 1)], healthy=True) == {}
        assert (await get(port))[0] == 200
        await server.close()

    asyncio.run(scene())


def test_a_request_without_end_is_not_kept_in_memory() -> None:
    async def scene() -> None:
        server, port = HealthServer(), free_port()
        await server.serve([check(port, 1)], healthy=True)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * (4 * LONGEST_HEAD))
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readexactly(1)
        writer.close()
        await server.close()

    asyncio.run(scene())
