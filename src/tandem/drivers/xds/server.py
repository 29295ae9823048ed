"""A gRPC server on a unix socket: delta ADS, JSON calls beside it, and Envoy's access log service.

In: publications and connections. Out: calls of the board's callbacks, of the handlers, and of the log callback.
Nothing is answered to a client before something was published for it (and of each ordered type, that very type).
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import structlog

from tandem.drivers.xds import codec
from tandem.drivers.xds.board import Board, Stream
from tandem.drivers.xds.messages import Encoded
from tandem.drivers.xds.session import Session
from tandem.state.xds import CLUSTER, ENDPOINT

log = structlog.get_logger(__name__)

NODE_METADATA: Final = "tandem-node"
"""Request metadata that names the client of a call beside ADS."""

# The stubs of grpc.aio lack EOF and ask for arguments that have defaults.
aio: Final[Any] = grpc.aio

UNLIMITED: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)

# Envoy warms a changed cluster only when its endpoints are sent again.
FOLLOWS: Final = {CLUSTER: ENDPOINT}

_SERIAL: Final = itertools.count()

Unary = Callable[[str, bytes], Awaitable[bytes]]
Push = Callable[[str, bytes], None]
LogEntries = Callable[[str, Any], None]


class XdsServer(Board):
    """`order` is the order of types (`state.xds.ORDER` towards Envoy, `ir.wire.TYPES` towards agents)."""

    def __init__(self, socket_path: Path, order: Iterable[str]) -> None:
        super().__init__()
        self._path = socket_path
        self._order = tuple(order)
        self._methods: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
        self._server: Any = None
        self._add(
            f"/{codec.ADS_SERVICE}/{codec.ADS_METHOD}",
            grpc.stream_stream_rpc_method_handler(self._ads),
        )

    def publish_type(self, client: str | None, type_url: str, resources: Mapping[str, Encoded]) -> None:
        """`publish` of a single type."""
        self.publish(client, {type_url: resources})

    def add_unary(self, path: str, handler: Unary) -> None:
        """Serve `path` (`/package.Service/Method`): bytes in, bytes out. A PermissionError is a refusal."""

        async def serve(request: bytes, context: Any) -> bytes:
            try:
                return await handler(_client(context), request)
            except PermissionError as error:
                await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
            except ValueError as error:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise AssertionError

        self._add(path, grpc.unary_unary_rpc_method_handler(serve))

    def add_push(self, path: str, handler: Push) -> None:
        """Serve `path` as a stream of messages from the client; `handler` must not block."""

        async def serve(_: Any, context: Any) -> bytes:
            client = _client(context)
            while (message := await context.read()) is not aio.EOF:
                handler(client, message)
            return b""

        self._add(path, grpc.stream_unary_rpc_method_handler(serve))

    def add_access_log(self, on_entries: LogEntries) -> None:
        """Serve Envoy's gRPC access log; `on_entries(log_name, StreamAccessLogsMessage)` must not block."""
        from envoy.service.accesslog.v3 import als_pb2

        decode = als_pb2.StreamAccessLogsMessage.FromString

        async def serve(_: Any, context: Any) -> bytes:
            name = ""
            while (data := await context.read()) is not aio.EOF:
                message = decode(data)
                name = message.identifier.log_name or name
                on_entries(name, message)
            return b""

        self._add(
            "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs",
            grpc.stream_unary_rpc_method_handler(serve),
        )

    async def start(self) -> None:
        """Listen; the socket is readable and writable for its owner alone from its first moment."""
        server = aio.server(options=UNLIMITED)
        for service, methods in self._methods.items():
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # gRPC removes the file that it bound when a server is destroyed, which may be after its successor has bound the
        # same name: each server binds a name of its own, and takes over the public one by renaming.
        own = self._path.with_name(f"{self._path.name}.{os.getpid():x}{next(_SERIAL)}")
        own.unlink(missing_ok=True)
        umask = os.umask(0o177)
        try:
            server.add_insecure_port(f"unix:{own}")
        finally:
            os.umask(umask)
        await server.start()
        own.rename(self._path)
        self._server = server
        log.info("xds server listens", socket=str(self._path))

    async def stop(self, grace: float = 0.2) -> None:
        """Close all streams and remove the socket."""
        # First the name: nobody is to connect to a server that no longer accepts.
        self._path.unlink(missing_ok=True)
        if self._server is not None:
            await self._server.stop(grace)
            self._server = None

    def _add(self, path: str, handler: grpc.RpcMethodHandler[Any, Any]) -> None:
        _, service, method = path.split("/")
        self._methods.setdefault(service, {})[method] = handler

    async def _ads(self, _: Any, context: Any) -> None:
        first = await context.read()
        if first is aio.EOF:
            return
        request = codec.decode_request(first)
        if not request.node:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first request of a stream must carry node.id")
        stream = self.opened(request.node, Session(self._order, FOLLOWS), request.generation)
        stream.inbox.append(request)
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write(stream, context))
                await self._read(stream, context)
                writer.cancel()
        finally:
            self.closed(stream)

    @staticmethod
    async def _read(stream: Stream, context: Any) -> None:
        stream.wake.set()
        while (data := await context.read()) is not aio.EOF:
            stream.inbox.append(codec.decode_request(data))
            stream.wake.set()

    async def _write(self, stream: Stream, context: Any) -> None:
        while True:
            await stream.wake.wait()
            for response in self.note(stream, stream.step()):
                await context.write(codec.encode_response(response))


def _client(context: Any) -> str:
    """Who calls; on a unix socket of mode 0600 the client's word is taken."""
    for key, value in context.invocation_metadata() or ():
        if key == NODE_METADATA:
            return value if isinstance(value, str) else value.decode()
    return ""
