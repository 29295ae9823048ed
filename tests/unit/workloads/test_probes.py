"""Probes against real sockets on the loopback."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tandem.model import core
from tandem.workloads.probes import ProbeError, check, number

PORTS = (core.ContainerPort(name="http", container_port=8080),)


def ask(probe: core.Probe) -> str | None:
    return asyncio.run(check(probe, "127.0.0.1", PORTS))


def answered(answer: bytes, *, timeout: int = 2) -> str | None:
    """What an HTTP probe says of a server that answers so to whatever it is sent."""

    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if not answer:
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        served.set()

    async def run() -> str | None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            get = core.HttpGetAction(path="ready", port=port)
            why = await check(core.Probe(http_get=get, timeout_seconds=timeout), "127.0.0.1", ())
            await served.wait()
            return why

    return asyncio.run(run())


def test_success_is_any_status_from_200_to_399() -> None:
    assert answered(b"HTTP/1.1 204 No Content\r\n\r\n") is None
    assert answered(b"HTTP/1.1 302 Found\r\n\r\n") is None


def test_another_status_is_named() -> None:
    assert answered(b"HTTP/1.1 503 Service Unavailable\r\n\r\n") == "HTTP probe failed with statuscode: 503"


def test_an_answer_that_is_not_http_fails() -> None:
    assert answered(b"hello\r\n") == "the answer is not HTTP"


def test_no_answer_in_time_fails() -> None:
    assert answered(b"", timeout=1) == "no answer within 1s"


def test_a_port_that_nobody_listens_on_fails() -> None:
    assert "Connect call failed" in str(ask(core.Probe(tcp_socket=core.TcpAction(port=1))))


def test_a_port_is_a_number_or_a_container_ports_name() -> None:
    assert [number(p, PORTS) for p in (80, "http", "81")] == [80, 8080, 81]
    with pytest.raises(ProbeError, match="no container port is named 'grpc'"):
        number("grpc", PORTS)
