"""The agent's side of control: a delta-ADS subscription that survives reconnects, calls, and a report stream.

Updates go to `on_update`; the caller answers each with `ack` or `nack` when the node has applied it. After a reconnect
the server learns what is held and sends only what differs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import grpc
import structlog

from tandem.base.cell import Cell
from tandem.base.problems import DriverError
from tandem.drivers.xds import codec
from tandem.drivers.xds.client_session import ClientSession, Update
from tandem.drivers.xds.messages import Request
from tandem.drivers.xds.server import NODE_METADATA, UNLIMITED, aio

log = structlog.get_logger(__name__)

REPORTS: Final = "/tandem.v1.Reports/Push"
# "min" bounds one attempt: a connection that a dying server no longer accepts would else be waited for 20 s.
_RECONNECT: Final = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
_FIRST_DELAY: Final = 0.05
_LONGEST_DELAY: Final = 5.0


class CallError(DriverError):
    """A call to control got no answer."""


class CallRefusedError(CallError, PermissionError):
    """Control answered, with no."""


class XdsClient:
    """`target` is a gRPC target such as `unix:/run/tandem/control.sock`; `run()` is the one task it needs."""

    def __init__(self, target: str, node_id: str, types: Iterable[str], on_update: Callable[[Update], None]) -> None:
        self._target = target
        self._metadata = ((NODE_METADATA, node_id),)
        self._session = ClientSession(node_id, types)
        self._on_update = on_update
        self._outbox: deque[Request] = deque()
        self._reports: deque[bytes] = deque(maxlen=4096)
        self._wake = asyncio.Event()
        self._report_wake = asyncio.Event()
        self._channel: Any = None
        self.connected: Cell[bool] = Cell(False)
        self.synced: Cell[bool] = Cell(False)
        self.dropped_reports = 0

    async def run(self) -> None:
        """Stay connected until cancelled."""
        options = (*UNLIMITED, *_RECONNECT)
        async with aio.insecure_channel(self._target, options=options) as channel:
            self._channel = channel
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._retry("ads", self._ads))
                    group.create_task(self._retry("reports", self._push_reports))
            finally:
                self._channel = None
                self.connected.put(False)

    def ack(self, nonce: str) -> None:
        """Everything in that update is in force on this node."""
        self._send(self._session.ack(nonce))

    def nack(self, nonce: str, errors: Mapping[str, str]) -> None:
        """The named resources of that update are refused with these words; the rest is in force."""
        self._send(self._session.nack(nonce, errors))

    def report(self, message: bytes) -> None:
        """Queue a report; while control is away the oldest are dropped and counted."""
        if len(self._reports) == self._reports.maxlen:
            self.dropped_reports += 1
        self._reports.append(message)
        self._report_wake.set()

    async def call(self, method: str, data: bytes, deadline: float = 10.0) -> bytes:
        """One unary call such as `/tandem.v1.CertificateAuthority/Sign`; raises CallError."""
        if self._channel is None:
            raise CallError(f"{method}: not started")
        call = self._channel.unary_unary(method)
        try:
            answer: bytes = await call(data, timeout=deadline, metadata=self._metadata)
        except aio.AioRpcError as error:
            no = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT}
            kind = CallRefusedError if error.code() in no else CallError
            raise kind(f"{method}: {error.details() or error.code().name}") from None
        return answer

    def _send(self, request: Request | None) -> None:
        if request is not None:
            self._outbox.append(request)
            self._wake.set()

    async def _retry(self, what: str, stream: Callable[[Any], Any]) -> None:
        delay = _FIRST_DELAY
        while self._channel is not None:
            try:
                if await stream(self._channel):
                    delay = _FIRST_DELAY
            except aio.AioRpcError as error:
                log.info("control is away", stream=what, code=error.code().name, details=error.details())
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY)

    async def _ads(self, channel: Any) -> bool:
        """One stream, from the first requests to its end; True if it was worth connecting."""
        call = channel.stream_stream(f"/{codec.ADS_SERVICE}/{codec.ADS_METHOD}")(wait_for_ready=True)
        self._outbox.clear()
        self._outbox.extend(self._session.on_connect())
        self._wake.set()
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write(call))
                await self._read(call)
                writer.cancel()
        except* aio.AioRpcError as errors:
            log.info("control is away", stream="ads", details=str(errors.exceptions[0]).split("\n")[0])
        finally:
            call.cancel()
            was, _ = self.connected.value, self.connected.put(False)
        return was

    async def _read(self, call: Any) -> None:
        while (data := await call.read()) is not aio.EOF:
            self.connected.put(True)
            update = self._session.on_response(codec.decode_response(data))
            if update is not None:
                self._on_update(update)
            if self._session.synced:
                self.synced.put(True)

    async def _write(self, call: Any) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._outbox:
                await call.write(codec.encode_request(self._outbox.popleft()))

    async def _push_reports(self, channel: Any) -> bool:
        """One stream of reports, from the first one to its end; True if it was worth connecting."""
        await self._report_wake.wait()
        call = channel.stream_unary(REPORTS)(metadata=self._metadata, wait_for_ready=True)
        try:
            async with asyncio.TaskGroup() as group:
                watcher = group.create_task(self._wake_at_end(call))
                while not call.done() and await self._push(call):
                    await self._report_wake.wait()
                watcher.cancel()
        finally:
            call.cancel()
        return True

    async def _push(self, call: Any) -> bool:
        """Send what waits; False if the stream ended, and then what was under way waits again."""
        self._report_wake.clear()
        while self._reports:
            message = self._reports.popleft()
            try:
                await call.write(message)
            except (aio.AioRpcError, asyncio.InvalidStateError):
                self._reports.appendleft(message)
                self._report_wake.set()
                return False
        return True

    async def _wake_at_end(self, call: Any) -> None:
        """Without this, a stream whose server has gone would be noticed at the next report only."""
        await call.code()
        self._report_wake.set()
