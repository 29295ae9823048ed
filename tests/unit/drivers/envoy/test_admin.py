"""Answers of the admin interface, parsed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tandem.drivers.envoy.admin import Admin, AdminError, parse_response


def test_a_plain_answer() -> None:
    assert parse_response(b"HTTP/1.1 503 Service Unavailable\r\nx: y\r\n\r\nINITIALIZING") == (503, b"INITIALIZING")


def test_a_chunked_answer() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert parse_response(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n") == (200, b"abcde")


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nabc"]
)
def test_an_answer_that_is_cut_short_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="ends within"):
        parse_response(data)


def test_an_absent_envoy_is_not_ready(tmp_path: Path) -> None:
    admin = Admin(tmp_path / "none.sock")
    assert asyncio.run(admin.ready()) is False
    with pytest.raises(AdminError, match=r"none\.sock: GET /server_info"):
        asyncio.run(admin.server_info())


CLUSTERS = b"""app/u::observability_name::app/u
app/u::default_priority::max_connections::4294967295
app/u::10.244.0.3:8080::cx_active::1
app/u::10.244.0.3:8080::rq_active::2
app/u::10.244.0.3:8080::rq_total::9
app/u::[fd00::3]:8080::rq_active::1
app/u::[fd00::3]:8080::rq_total::4
"""


def test_requests_are_those_of_all_hosts_of_the_cluster(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + CLUSTERS)
        writer.close()

    async def story() -> tuple[int, int]:
        async with await asyncio.start_unix_server(answer, tmp_path / "admin.sock"):
            return await Admin(tmp_path / "admin.sock").requests("app/u")

    assert asyncio.run(story()) == (3, 13)
    assert asked == [b"GET /clusters?filter=%5Eapp/u%28/.%2A%29%3F%24 HTTP/1.1\r\n"]
