"""DNS for a node's pods by UDP and TCP: names of ours from the NodeView, all others from the host's own servers."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, cast

import dns.exception
import dns.message
import dns.rdatatype

from tandem.ir.node import NodeView
from tandem.podnet import dnswire
from tandem.podnet.dns import Alias, Zone
from tandem.podnet.dnswire import MalformedError

PORT: Final = 53
FORWARDS: Final = 512
"""Forwarded queries under way at most; more are answered SERVFAIL at once."""
TRY_SECONDS: Final = 2.0
IDLE_SECONDS: Final = 20.0
RETRY_SECONDS: Final = 0.02
RESOLV_CONF: Final = Path("/etc/resolv.conf")
_LENGTH: Final = struct.Struct(">H")
_log: Final = logging.getLogger(__name__)


def read_upstreams(path: Path, *, own: str) -> tuple[str, ...]:
    """The name servers of a resolv.conf but for our own address, which would ask itself for ever."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        _log.warning("no upstream name servers: %s", error)
        return ()
    words = [line.split() for line in lines]
    found = (word[1] for word in words if len(word) > 1 and word[0] == "nameserver")
    return tuple(server for server in dict.fromkeys(found) if server != own)


class DnsServer:
    """Answers at one address; `view` gives the newest NodeView, or None before the first synchronisation."""

    def __init__(
        self, view: Callable[[], NodeView | None], upstreams: Sequence[str] = (), *, upstream_port: int = PORT
    ) -> None:
        self._view = view
        self._upstreams = tuple(upstreams)
        self._upstream_port = upstream_port
        self._zone: tuple[NodeView, Zone] | None = None
        self._forwarding = 0

    async def run(self) -> None:
        """Serve at the address that the first view names, with the host's own name servers behind; until cancelled."""
        while (view := self._view()) is None:  # noqa: ASYNC110 - once, at start, for milliseconds
            await asyncio.sleep(RETRY_SECONDS)
        own = view.config.dns_address
        self._upstreams = self._upstreams or read_upstreams(RESOLV_CONF, own=own)
        await self.serve(own)

    async def serve(self, address: str, port: int = PORT, *, ready: asyncio.Event | None = None) -> None:
        """Serve until cancelled; sets `ready` when both sockets listen. Raises OSError when the address is in use."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self, group), sock=await _bound(address, port, socket.SOCK_DGRAM)
            )
            try:
                server = await asyncio.start_server(
                    lambda reader, writer: _spawn(group, self._stream(reader, writer)),
                    sock=await _bound(address, port, socket.SOCK_STREAM),
                )
                async with server:
                    if ready is not None:
                        ready.set()
                    await server.serve_forever()
            finally:
                transport.close()

    def local(self, data: bytes, *, udp: bool) -> bytes | Alias | None:
        """The answer that needs nobody else: b"" to say nothing at all, None or an Alias to go on asking."""
        view = self._view()
        try:
            if view is None:
                dnswire.parse_query(data)
                return dnswire.refusal(data, dnswire.SERVFAIL)
            if self._zone is None or self._zone[0] is not view:
                self._zone = (view, Zone(view))
            return self._zone[1].answer(data, udp=udp)
        except MalformedError as error:
            return b"" if error.ident is None else dnswire.refusal(data, dnswire.FORMERR)

    async def remote(self, data: bytes, alias: Alias | None, *, udp: bool) -> bytes:
        """The answer that needs the host's servers; SERVFAIL when none answers or too many are being asked."""
        if self._forwarding >= FORWARDS:
            return dnswire.refusal(data, dnswire.SERVFAIL)
        self._forwarding += 1
        try:
            if alias is not None:
                return await self._chase(alias, udp=udp)
            return await self._ask(data, udp=udp) or dnswire.refusal(data, dnswire.SERVFAIL)
        finally:
            self._forwarding -= 1

    async def _chase(self, alias: Alias, *, udp: bool) -> bytes:
        """The CNAME and, behind it, what the target has; SERVFAIL when that cannot be known."""
        try:
            question = dns.message.make_query(alias.target, dns.rdatatype.RdataType.make(alias.query.type))
            raw = await self._ask(question.to_wire(), udp=True)
            extra = _answers(raw) if raw is not None else None
        except dns.exception.DNSException as error:
            _log.info("external name %s: %s", alias.target, error)
            extra = None
        if extra is None:
            body = dnswire.Body(code=dnswire.SERVFAIL)
        else:
            body = dnswire.Body(answers=(*alias.body.answers, *extra))
        return dnswire.reply(alias.query, body, udp=udp)

    async def _ask(self, data: bytes, *, udp: bool) -> bytes | None:
        """The first answer of the upstream servers, in their order, or None."""
        for server in self._upstreams:
            try:
                async with asyncio.timeout(TRY_SECONDS):
                    if udp:
                        return await _ask_udp(data, server, self._upstream_port)
                    return await _ask_tcp(data, server, self._upstream_port)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                _log.info("upstream name server %s: %s", server, error or "no answer in time")
        return None

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(IDLE_SECONDS):
                    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                    data = await reader.readexactly(length)
                answer = self.local(data, udp=False)
                if not isinstance(answer, bytes):
                    answer = await self.remote(data, answer, udp=False)
                writer.write(_LENGTH.pack(len(answer)) + answer)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


def _answers(raw: bytes) -> list[bytes]:
    """The records of a message's answer section, one by one and without compression."""
    found: list[bytes] = []
    for rrset in dns.message.from_wire(raw).answer:
        owner = rrset.name.to_wire() or b""
        found += [dnswire.record(owner, rrset.rdtype, rrset.ttl, rdata.to_wire() or b"") for rdata in rrset]
    return found


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer, group: asyncio.TaskGroup) -> None:
        self._server = server
        self._group = group
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.local(data, udp=True)
        if isinstance(answer, bytes):
            self._send(answer, addr)
        else:
            _spawn(self._group, self._remote(data, answer, addr))

    async def _remote(self, data: bytes, alias: Alias | None, addr: tuple[str, int]) -> None:
        self._send(await self._server.remote(data, alias, udp=True), addr)

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        if answer and self._transport is not None:
            self._transport.sendto(answer, addr)


class _OneAnswer(asyncio.DatagramProtocol):
    """Waits for the one datagram with the right id; the socket is connected, so that only the server asked is heard."""

    def __init__(self, ident: bytes) -> None:
        self._ident = ident
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
        if data[:2] == self._ident and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _ask_udp(data: bytes, server: str, port: int) -> bytes:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _OneAnswer(data[:2]), remote_addr=(server, port)
    )
    try:
        transport.sendto(data)
        return await protocol.answer
    finally:
        transport.close()


async def _ask_tcp(data: bytes, server: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(server, port)
    try:
        writer.write(_LENGTH.pack(len(data)) + data)
        await writer.drain()
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return await reader.readexactly(length)
    finally:
        writer.close()


async def _bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A socket at an address that the node may get only a moment later."""
    while not _is_local(address):  # noqa: ASYNC110 - the kernel tells nobody
        await asyncio.sleep(RETRY_SECONDS)
    made = socket.socket(socket.AF_INET, kind)
    try:
        made.setblocking(False)
        if kind is socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made


def _is_local(address: str) -> bool:
    """True if the address is this namespace's: then it is its own source.

    Trying to bind would not tell: in a namespace without any address the kernel lets a socket bind to every address,
    and a UDP socket then forgets what it answers from.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, PORT))
        except OSError:
            return False
        own: str = probe.getsockname()[0]
        return own == address


def _spawn(group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
    group.create_task(work)
