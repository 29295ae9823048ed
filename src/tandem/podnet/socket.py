"""The agent's end of the courier's socket: one request, one answer for each connection; requests run side by side."""

from __future__ import annotations

import asyncio
import logging
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from tandem.podnet.request import Code, Request, VerbError, parse

LIMIT: Final = 8 << 20
REQUEST_SECONDS: Final = 10.0
"""How long a request may take to arrive."""
_LENGTH: Final = struct.Struct(">I")
_log: Final = logging.getLogger(__name__)


class Runs(Protocol):
    """`Verbs`, as far as the socket needs it."""

    async def run(self, request: Request) -> dict[str, Any] | None:
        """One verb; raises VerbError."""


async def serve(verbs: Runs, path: Path, *, ready: asyncio.Event | None = None) -> None:
    """Serve until cancelled; the socket is root's alone and is gone afterwards. Sets `ready` when it listens."""
    _clear(path)
    try:
        async with asyncio.TaskGroup() as group:

            def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                group.create_task(_handle(verbs, reader, writer))

            server = await asyncio.start_unix_server(accepted, path, start_serving=False)
            _protect(path)
            async with server:
                await server.start_serving()
                if ready is not None:
                    ready.set()
                await server.serve_forever()
    finally:
        _clear(path)


def _clear(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        path.unlink()


def _protect(path: Path) -> None:
    path.chmod(0o600)


async def _handle(verbs: Runs, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
            if length > LIMIT:
                _log.warning("request of %d bytes refused, limit %d", length, LIMIT)
                return
            data = await reader.readexactly(length)
        answer = msgspec.json.encode(await _answer(verbs, data))
        writer.write(_LENGTH.pack(len(answer)) + answer)
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError, TimeoutError) as error:
        # The runtime gave up on its plugin; it will send DEL.
        _log.info("courier went away: %s", error)
    finally:
        writer.close()


async def _answer(verbs: Runs, data: bytes) -> dict[str, Any]:
    try:
        request = parse(data)
        result = await verbs.run(request)
    except VerbError as error:
        _log.info("cni verb failed: code=%d %s", error.code, error.msg)
        return {"error": error.answer()}
    except Exception as error:  # noqa: BLE001 - see below
        # The boundary: a bug in one request must reach the runtime as an error and not end the node's agent.
        _log.exception("cni verb broke")
        return {"error": VerbError(Code.INTERNAL, f"internal error: {error!r}", "see the agent's log").answer()}
    _log.info("cni verb done: verb=%s container=%s", request.verb, request.container_id)
    return {"result": result}
