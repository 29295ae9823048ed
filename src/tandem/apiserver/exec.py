"""pods/exec, pods/attach: a program in a container, between whose streams and a client's channels bytes are carried.

In: a request, and how the program begins. Out: an ASGI application that takes the connection over. A program that was
started for the client is killed with all that it started when the client goes before it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from tandem.apiserver.errors import Refusal
from tandem.apiserver.inside import CannotStartError, Program, Stdio
from tandem.apiserver.streams import channels, negotiation
from tandem.apiserver.streams.channels import Channel, Channels, SocketChannels
from tandem.apiserver.streams.negotiation import Layer
from tandem.apiserver.streams.spdy import channels as streams
from tandem.apiserver.streams.spdy.channels import SpdyChannels
from tandem.apiserver.streams.websocket import WebSocket

log = structlog.get_logger(__name__)

Begin = Callable[[], Awaitable[Program]]
"""Start a program, or take part in one that runs; raises CannotStartError."""
SUCCESS: Final = {"metadata": {}, "status": "Success"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request's parameters (Kubernetes: PodExecOptions, PodAttachOptions) but the container."""

    command: tuple[str, ...]
    """Empty: the container's own process is meant."""
    stdio: Stdio

    @classmethod
    def of(cls, query: QueryParams, *, attach: bool = False) -> Asked:
        """Refusal 400 for a request that nothing can come of."""
        given = {name: flag(query, name) for name in ("stdin", "stdout", "stderr", "tty")}
        if not (given["stdin"] or given["stdout"] or given["stderr"]):
            raise Refusal(400, "you must specify at least 1 of stdin, stdout, stderr")
        command = () if attach else tuple(query.getlist("command"))
        if not attach and (not command or not command[0]):
            raise Refusal(400, "you must specify at least one command for the container")
        if given["tty"]:  # a terminal has one output
            given["stderr"] = False
        return cls(command=command, stdio=Stdio(**given))

    def channels(self) -> frozenset[Channel]:
        """Those that the client has."""
        wanted = {Channel.STDIN: self.stdio.stdin, Channel.STDOUT: self.stdio.stdout, Channel.STDERR: self.stdio.stderr}
        wanted |= {Channel.ERROR: True, Channel.RESIZE: self.stdio.tty}
        return frozenset(c for c, there in wanted.items() if there)


def flag(query: QueryParams, name: str) -> bool:
    """Only what is absent, `false` or `0` is false, as Kubernetes converts parameters."""
    return name in query and query[name].lower() not in {"false", "0"}


class Execution:
    """The ASGI application that answers."""

    def __init__(self, request: Request, begin: Begin, asked: Asked) -> None:
        """Refusal where the request asks for no upgrade, or for one that is not known."""
        self._begin = begin
        self._asked = asked
        self._upgrade = negotiation.upgrade(request, sockets=channels.SUBPROTOCOLS, spdy=streams.SUBPROTOCOLS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Until the program has ended or the client has gone."""
        del receive, send
        await negotiation.serve(scope, self._upgrade, self._serve)

    async def _serve(self, layer: Layer) -> None:
        wanted = self._asked.channels()
        made: Channels = SocketChannels(layer, wanted) if isinstance(layer, WebSocket) else SpdyChannels(layer, wanted)
        await made.opened()
        try:
            status = await self._run(made)
        except asyncio.CancelledError:
            with contextlib.suppress(ConnectionError):  # it is the server that ends, or the client has gone
                await made.finish(msgspec.json.encode(internal_error("the API server ends")))
            raise
        await made.finish(msgspec.json.encode(status))

    async def _run(self, client: Channels) -> dict[str, Any]:
        """The status that tells how it ended."""
        try:
            program = await self._begin()
        except CannotStartError as err:
            what = "executing command in" if self._asked.command else "attaching to"
            return internal_error(f"error {what} container: {err}")
        try:
            code = await _converse(program, client, self._asked.stdio)
        except BaseException:
            await program.kill()
            raise
        finally:
            program.close()
        return exit_status(self._asked.command, code)


async def _converse(program: Program, client: Channels, stdio: Stdio) -> int:
    async with asyncio.TaskGroup() as tasks:
        feeding = tasks.create_task(_feed(program, client))
        async with asyncio.TaskGroup() as outputs:
            if stdio.stdout:
                outputs.create_task(_show(program.output(), client, Channel.STDOUT))
            if stdio.stderr:
                outputs.create_task(_show(program.errors(), client, Channel.STDERR))
        code = await program.ended()
        feeding.cancel()
    return code


async def _show(chunks: AsyncIterator[bytes], client: Channels, channel: Channel) -> None:
    async for chunk in chunks:
        await client.send(channel, chunk)


async def _feed(program: Program, client: Channels) -> None:
    async for said in client.received():
        if said.channel is Channel.RESIZE:
            _resize(program, said.data)
            continue
        if said.channel is Channel.STDIN and said.data:
            await program.write(said.data)
        if said.channel is Channel.STDIN and said.ends:
            program.close_input()
    raise ConnectionResetError("the client has closed the connection")


class _Size(msgspec.Struct, frozen=True):
    """A terminal's (Kubernetes: remotecommand.TerminalSize)."""

    Width: int
    Height: int


def _resize(program: Program, data: bytes) -> None:
    """SPDY gives a stream of sizes: several may have come at once, the last one counts."""
    newest = data.strip().rpartition(b"{")[2]
    try:
        size = msgspec.json.decode(b"{" + newest, type=_Size)
    except msgspec.MsgspecError as err:
        log.info("terminal size not understood", reason=str(err))
        return
    if 0 < size.Width < 1 << 16 and 0 < size.Height < 1 << 16:
        program.resize(size.Width, size.Height)


def exit_status(command: tuple[str, ...], code: int) -> dict[str, Any]:
    """What a client reads the exit status from (metav1.Status)."""
    if code == 0:
        return SUCCESS
    what = f"error executing command [{' '.join(command)}], exit code {code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {what}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def internal_error(text: str) -> dict[str, Any]:
    """The command was never run."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {text}",
        "reason": "InternalError",
        "details": {"causes": [{"message": text}]},
        "code": 500,
    }
