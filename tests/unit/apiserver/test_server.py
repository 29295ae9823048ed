"""The HTTP server."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import httpx
import pytest

from tandem.apiserver.app import build_app
from tandem.apiserver.server import PortInUseError, listen, serve, serve_on
from tandem.apiserver.store import Store
from tandem.apiserver.tls import serving_certificate
from tandem.base.secret import Secret

HEADERS = {"authorization": "Bearer t"}


def test_a_port_in_use_is_named_with_the_cure() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port} is in use .*; choose another with --api-port"):
            listen("127.0.0.1", port)


def test_serve_refuses_a_port_in_use_at_once(tmp_path: Path) -> None:
    async def scenario(port: int) -> None:
        store = Store()
        app = build_app(store, token=Secret(b"t"))
        tls = serving_certificate(tmp_path)
        await serve(app, host="127.0.0.1", port=port, tls=tls, started=asyncio.Event())

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(PortInUseError):
            asyncio.run(scenario(other.getsockname()[1]))


def test_a_cancelled_server_ends_its_watches_and_frees_its_port(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = Store()
        app = build_app(store, token=Secret(b"t"))
        tls = serving_certificate(tmp_path)
        sock = listen("127.0.0.1", 0)
        url = f"https://127.0.0.1:{sock.getsockname()[1]}"
        started = asyncio.Event()
        trust = ssl.create_default_context(cadata=tls.ca_pem.decode())
        async with asyncio.TaskGroup() as tasks:
            server = tasks.create_task(serve_on(app, sock, tls=tls, started=started))
            await started.wait()
            async with (
                httpx.AsyncClient(base_url=url, headers=HEADERS, verify=trust) as client,
                client.stream("GET", "/api/v1/pods?watch=1") as response,
            ):
                assert response.status_code == 200
                server.cancel()
                assert [line async for line in response.aiter_lines()] == []
        assert sock.fileno() == -1
        store.close()

    asyncio.run(scenario())
