"""Probes against real sockets on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import grpc.aio
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


def test_an_address_of_ipv6_stands_in_brackets_in_the_host_header() -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async def run() -> str | None:
        async with await asyncio.start_server(serve, "::1", 0) as server:
            get = core.HttpGetAction(path="ready", port=server.sockets[0].getsockname()[1])
            return await check(core.Probe(http_get=get, timeout_seconds=2), "::1", ())

    assert asyncio.run(run()) is None
    assert b"host: [::1]:" in heads[0].lower()


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


Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def served(connected: Connected, probe: Callable[[int], core.Probe], tls: ssl.SSLContext | None = None) -> str | None:
    """What a probe says of a server."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await connected(reader, writer)
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
        finally:
            done.set()

    async def run() -> str | None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        async with server:
            why = await check(probe(server.sockets[0].getsockname()[1]), "127.0.0.1", ())
            await done.wait()
            return why

    return asyncio.run(run())


async def fine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")


def test_https_takes_any_certificate_as_kubelet_does(tmp_path: Path) -> None:
    key, cert = tmp_path / "key", tmp_path / "cert"
    order = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    subprocess.run(
        [*order, "-subj", "/CN=elsewhere", "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)

    def probe(port: int) -> core.Probe:
        return core.Probe(http_get=core.HttpGetAction(port=port, scheme="HTTPS"), timeout_seconds=5)

    assert served(fine, probe, tls) is None


def test_https_to_a_server_that_speaks_plain_text_fails() -> None:
    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\n")

    def probe(port: int) -> core.Probe:
        return core.Probe(http_get=core.HttpGetAction(port=port, scheme="HTTPS"), timeout_seconds=5)

    assert served(hello, probe)


def test_the_request_has_the_path_and_headers_of_the_spec() -> None:
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend((await reader.readuntil(b"\r\n\r\n")).splitlines())
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    def probe(port: int) -> core.Probe:
        headers = (core.HttpHeader(name="Host", value="shop"), core.HttpHeader(name="X-A", value="b"))
        get = core.HttpGetAction(port=port, path="ready?x=1", host="127.0.0.1", http_headers=headers)
        return core.Probe(http_get=get, timeout_seconds=5)

    assert served(listen, probe) is None
    assert heard[0] == b"GET /ready?x=1 HTTP/1.1"
    assert {b"host: shop", b"x-a: b"} <= set(heard)


def test_a_tcp_connection_is_success() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    assert served(silent, lambda port: core.Probe(tcp_socket=core.TcpAction(port=port), timeout_seconds=5)) is None


def health(services: dict[str, int] | None, asked: str = "") -> str | None:
    """What a gRPC probe says of the gRPC library's server; None: it does not know the health service."""

    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:  # type: ignore[type-arg]
        # The one field is a string of its length in one or two bytes (protobuf); our names have no letter below 0x80.
        name = request[3 if len(request) > 130 else 2 :].decode()
        assert services is not None
        if name not in services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return bytes([8, services[name]])

    async def run() -> str | None:
        server = grpc.aio.server()
        if services is not None:
            handlers = {"Check": grpc.unary_unary_rpc_method_handler(answer)}
            generic = grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers)
            server.add_generic_rpc_handlers((generic,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            probe = core.Probe(grpc=core.GrpcAction(port=port, service=asked), timeout_seconds=5)
            return await check(probe, "127.0.0.1", ())
        finally:
            await server.stop(None)

    return asyncio.run(run())


def test_a_grpc_server_that_serves_has_passed() -> None:
    assert health({"": 1}) is None
    assert health({"": 2, "shop.Orders": 1}, "shop.Orders") is None


def test_a_grpc_service_with_a_long_name_is_asked_for() -> None:
    assert health({"s" * 300: 1}, "s" * 300) is None


def test_a_grpc_server_that_does_not_serve_has_failed() -> None:
    assert "other than SERVING" in str(health({"": 2}))


def test_an_unknown_grpc_service_or_no_health_service_at_all_has_failed() -> None:
    assert "does not know the service" in str(health({"": 1}, "other"))
    assert "does not implement grpc.health.v1.Health" in str(health(None))


def test_a_grpc_probe_of_something_else_fails() -> None:
    async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)

    assert served(hang_up, lambda port: core.Probe(grpc=core.GrpcAction(port=port), timeout_seconds=5))
