"""One execution of a network probe, from the node to the pod's address. In: a probe. Out: None, or why it failed.

Uses asyncio alone: no process is started, and gRPC health checks are made by hand in a few HTTP/2 frames, because the
gRPC library would double the runtime's memory. Exec probes need the sandbox and live in `container.py`.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Sequence
from typing import Final

from tandem.model import core

_LARGEST_HEADER: Final = 65536
_H2_DATA, _H2_HEADERS, _H2_RESET, _H2_SETTINGS, _H2_GOAWAY = 0, 1, 3, 4, 7
_H2_END_STREAM, _H2_END_HEADERS, _H2_ACK = 1, 4, 1
_SERVING: Final = b"\x08\x01"


class ProbeError(Exception):
    """The probe failed; the message says how."""


async def check(probe: core.Probe, address: str, ports: Sequence[core.ContainerPort]) -> str | None:
    """None if the pod passed, else the reason in one line. The probe's timeout holds."""
    try:
        async with asyncio.timeout(probe.timeout_seconds):
            if probe.http_get is not None:
                await _http(probe.http_get, address, ports)
            elif probe.tcp_socket is not None:
                port = number(probe.tcp_socket.port, ports)
                _, writer = await asyncio.open_connection(probe.tcp_socket.host or address, port)
                writer.close()
            elif probe.grpc is not None:
                await _grpc(probe.grpc, address)
    except TimeoutError:
        return f"no answer within {probe.timeout_seconds}s"
    except OSError as err:
        return str(err.strerror or err)
    except (ProbeError, EOFError) as err:
        return str(err) or "connection closed"
    return None


def number(port: core.IntOrString, ports: Sequence[core.ContainerPort]) -> int:
    """The port that a number or a container port's name means."""
    if isinstance(port, int):
        return port
    for candidate in ports:
        if candidate.name == port:
            return candidate.container_port
    if port.isdigit():
        return int(port)
    raise ProbeError(f"no container port is named {port!r}")


def authority(host: str, port: int) -> str:
    """What a request is addressed to; an address of IPv6 stands in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _http(action: core.HttpGetAction, address: str, ports: Sequence[core.ContainerPort]) -> None:
    context = None
    if action.scheme.upper() == "HTTPS":
        # As kubelet: probes judge life, not trust. No certificates of authorities are loaded, which would take longest.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port, host = number(action.port, ports), action.host or address
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=_LARGEST_HEADER)
    try:
        headers = {h.name.lower(): h.value for h in action.http_headers}
        headers = {"host": authority(host, port), "user-agent": "tandem-probe/1", "accept": "*/*", **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        path = action.path if action.path.startswith("/") else f"/{action.path}"
        writer.write(f"GET {path} HTTP/1.1\r\n{lines}connection: close\r\n\r\n".encode())
        await writer.drain()
        words = (await reader.readline()).split()
    finally:
        writer.close()
    if len(words) < 2 or not words[1].isdigit():
        raise ProbeError("the answer is not HTTP")
    if not 200 <= int(words[1]) < 400:
        raise ProbeError(f"HTTP probe failed with statuscode: {int(words[1])}")


async def _grpc(action: core.GrpcAction, address: str) -> None:
    """grpc.health.v1.Health/Check over HTTP/2 without TLS, as kubelet does it."""
    reader, writer = await asyncio.open_connection(address, action.port)
    try:
        service = action.service.encode()
        message = b"\x0a" + _varint(len(service)) + service if service else b""
        headers = (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", authority(address, action.port)),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        )
        block = b"".join(_literal(name) + _literal(value, first=False) for name, value in headers)
        writer.write(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(_H2_SETTINGS, 0, 0, b"")
            + _frame(_H2_HEADERS, _H2_END_HEADERS, 1, block)
            + _frame(_H2_DATA, _H2_END_STREAM, 1, b"\0" + struct.pack(">I", len(message)) + message)
        )
        await _grpc_answer(reader, writer)
    finally:
        writer.close()


async def _grpc_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        head = await reader.readexactly(9)
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        payload = await reader.readexactly(size)
        if kind == _H2_SETTINGS and not flags & _H2_ACK:
            writer.write(_frame(_H2_SETTINGS, _H2_ACK, 0, b""))
        elif kind == _H2_DATA and payload:
            if payload[5:] == _SERVING:
                return
            raise ProbeError("service unhealthy (responded with a status other than SERVING)")
        elif kind in {_H2_RESET, _H2_GOAWAY} or (kind == _H2_HEADERS and flags & _H2_END_STREAM):
            raise ProbeError("the server does not implement grpc.health.v1.Health, or does not know the service")


def _varint(number: int) -> bytes:
    """Protobuf's form of a length."""
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _literal(text: str, *, first: bool = True) -> bytes:
    """HPACK: a literal header field without indexing, new name (RFC 7541, 6.2.2); `first` opens the field."""
    raw = text.encode()
    assert len(raw) < 127  # noqa: S101 - our own headers
    return (b"\0" if first else b"") + bytes([len(raw)]) + raw
