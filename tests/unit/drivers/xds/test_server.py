"""The server's edges; conversations over a real socket are in tests/contract/test_xds_server.py."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from tandem.drivers.xds import codec
from tandem.drivers.xds.messages import Encoded, Request
from tandem.drivers.xds.server import XdsServer, aio

ADS = f"/{codec.ADS_SERVICE}/{codec.ADS_METHOD}"


def test_a_stream_without_a_node_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        server = XdsServer(tmp_path / "x.sock", ())
        await server.start()
        async with aio.insecure_channel(f"unix:{tmp_path / 'x.sock'}") as channel:
            call = channel.stream_stream(ADS)()
            await call.write(codec.encode_request(Request(type_url="t/x")))
            with pytest.raises(aio.AioRpcError, match=r"must carry node\.id") as refusal:
                await call.read()
            assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        await server.stop()

    asyncio.run(scene())


def test_a_socket_that_a_dead_server_left_is_taken_over(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "x.sock"
        path.write_text("left")
        server = XdsServer(path, ())
        await server.start()
        assert path.is_socket()
        await server.stop()
        await server.stop()

    asyncio.run(scene())


def test_one_type_is_published_like_many(tmp_path: Path) -> None:
    server = XdsServer(tmp_path / "x.sock", ("t/x",))
    server.publish_type("n1", "t/x", {"a": Encoded("a", "1", b"")})
    assert server.clients == ()
    assert server.accepted_versions("n1", "t/x") == {}
