"""Figures over real sockets."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tandem.drivers.exposition import CONTENT_TYPE, Exposition


def serving(tmp_path: Path, scene: Callable[[Path], Awaitable[None]], address: str = "") -> None:
    path = tmp_path / "metrics.sock"
    path.touch()  # of an agent that was killed

    async def main() -> None:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(Exposition(lambda: b"figure 1\n", path, address).run())
            while not path.is_socket():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)
            await scene(path)
            running.cancel()

    asyncio.run(main())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def answer(path: Path, request: bytes) -> tuple[bytes, bytes]:
    """Head and body."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request)
    data = await reader.read()
    writer.close()
    head, _, body = data.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"200 OK", b"figure 1\n"),
        (b"GET /metrics?name=x HTTP/1.1\r\n\r\n", b"200 OK", b"figure 1\n"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"200 OK", b""),
        (b"GET / HTTP/1.1\r\n\r\n", b"404 Not Found", b"see /metrics\n"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405 Method Not Allowed", b"GET\n"),
        (b"\r\n\r\n", b"404 Not Found", b"see /metrics\n"),
    ],
)
def test_only_metrics_are_answered(tmp_path: Path, request_: bytes, status: bytes, body: bytes) -> None:
    async def scene(path: Path) -> None:
        head, found = await answer(path, request_)
        assert (head.split(b"\r\n")[0], found) == (b"HTTP/1.1 " + status, body)
        assert CONTENT_TYPE.encode() in head

    serving(tmp_path, scene)


def test_the_socket_is_for_root_alone(tmp_path: Path) -> None:
    async def scene(path: Path) -> None:
        await answer(path, b"GET /metrics HTTP/1.1\r\n\r\n")
        assert mode(path) == 0o600

    serving(tmp_path, scene)


def test_a_port_is_served_where_one_is_asked_for(tmp_path: Path) -> None:
    taken: list[int] = []
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as free:
        port = free.getsockname()[1]

    async def scene(_: Path) -> None:
        for _attempt in range(1000):
            try:
                reader, writer = await asyncio.open_connection("::1", port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert (await reader.read()).endswith(b"figure 1\n")
            writer.close()
            taken.append(1)
            return

    serving(tmp_path, scene, f"[::1]:{port}")
    assert taken


@pytest.mark.parametrize("address", ["nowhere", "198.51.100.7:80", "127.0.0.1:http"])
def test_an_address_that_cannot_be_had_keeps_nobody_from_the_socket(tmp_path: Path, address: str) -> None:
    async def scene(path: Path) -> None:
        assert (await answer(path, b"GET /metrics HTTP/1.1\r\n\r\n"))[1] == b"figure 1\n"

    serving(tmp_path, scene, address)
