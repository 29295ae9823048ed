"""The HTTP server around the app. In: an ASGI app, an address, TLS files; it serves until it is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.applications import Starlette

from tandem.apiserver.tls import TlsFiles
from tandem.apiserver.upgrading import UpgradingProtocol

STOP_SECONDS: Final = 2


class PortInUseError(OSError):
    """Somebody listens there already."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals belong to the process, and `tandem up` has other things to stop."""

    def __init__(self, config: uvicorn.Config, started: asyncio.Event) -> None:
        super().__init__(config)
        self._told = started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self._told.set()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket's address reserved; raises PortInUseError with what to do. Port 0 takes a free one."""
    # The protocol by name: asyncio sets TCP_NODELAY only then, and without it each answer waits 40 ms for an ACK.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(128)
    except OSError as err:
        sock.close()
        if err.errno == errno.EADDRINUSE:
            text = f"port {port} is in use (something listens on {host}:{port}); choose another with --api-port"
            raise PortInUseError(errno.EADDRINUSE, text) from err
        raise
    return sock


async def serve(app: Starlette, *, host: str, port: int, tls: TlsFiles, started: asyncio.Event) -> None:
    """Serve `app` over TLS until cancelled; raises PortInUseError at once if somebody listens there."""
    await serve_on(app, listen(host, port), tls=tls, started=started)


async def serve_on(app: Starlette, sock: socket.socket, *, tls: TlsFiles, started: asyncio.Event) -> None:
    """The same on a socket of `listen`; when cancelled it ends the watches and closes connections and socket."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=UpgradingProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        ssl_certfile=str(tls.cert),
        ssl_keyfile=str(tls.key),
        timeout_keep_alive=75,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = _Server(config, started)
    # serve() must not be cancelled in the middle: it is told to stop, and ends by itself.
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.serve(sockets=[sock]))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            app.state.store.end_watches()
            server.should_exit = True
            await asyncio.shield(running)
            raise
