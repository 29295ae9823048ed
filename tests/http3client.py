"""A client of HTTP/3 as a process: a request in JSON per line in, an answer in JSON per line out.

`http3client.py ADDRESS PORT CA`. A request has `sni`, and if wanted `host` (else the same), `path`, `method`,
`headers`, the `size` of a body, `shown` (a file with certificate and key) and `on`: requests of one word there share a
connection. An answer has `status`, `headers` and `body`, or `error`. `moved`: before it, the connection gets another
port.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from typing import Any

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent

PATIENCE = 5.0
Answer = dict[str, Any]


class Connection(QuicConnectionProtocol):
    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._http = H3Connection(self._quic)
        self._waiting: dict[int, tuple[Answer, asyncio.Future[Answer]]] = {}
        self.ended = ""

    async def ask(self, asked: dict[str, Any]) -> Answer:
        stream = self._quic.get_next_available_stream_id()
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[stream] = {"headers": {}, "body": ""}, done
        headers = {
            ":method": asked.get("method", "GET"),
            ":scheme": "https",
            ":authority": asked.get("host", asked["sni"]),
            ":path": asked.get("path", "/"),
            **asked.get("headers", {}),
        }
        body = b"x" * asked.get("size", 0)
        self._http.send_headers(stream, [(k.encode(), v.encode()) for k, v in headers.items()], end_stream=not body)
        if body:
            self._http.send_data(stream, body, end_stream=True)
        self.transmit()
        return await asyncio.wait_for(done, PATIENCE)

    async def move(self) -> None:
        """From here on it sends from another socket, as after a change of networks."""
        loop = asyncio.get_running_loop()
        old = self._transport
        both = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.bind(("::", 0))
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=both)
        assert old is not None
        old.abort()

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            self.ended = event.reason_phrase or "ended"
            for _, done in self._waiting.values():
                if not done.done():
                    done.set_exception(ConnectionError(self.ended))
        for heard in self._http.handle_event(event):
            self._take(heard)

    def _take(self, heard: H3Event) -> None:
        if not isinstance(heard, (HeadersReceived, DataReceived)):
            return
        answer, done = self._waiting[heard.stream_id]
        if isinstance(heard, HeadersReceived):
            answer["headers"] |= {k.decode(): v.decode() for k, v in heard.headers}
        else:
            answer["body"] += heard.data.decode()
        if heard.stream_ended and not done.done():
            done.set_result({"status": int(answer["headers"].pop(":status")), **answer})


class Client:
    def __init__(self, address: str, port: int, authorities: str) -> None:
        self._where = address, port
        self._authorities = authorities
        self._open: dict[str, tuple[contextlib.AsyncExitStack, Connection]] = {}

    async def ask(self, asked: dict[str, Any]) -> Answer:
        word = asked.get("on", "")
        try:
            if word not in self._open:
                self._open[word] = await self._connect(asked)
            connection = self._open[word][1]
            if asked.get("moved"):
                await connection.move()
            answer = await connection.ask(asked)
        except (OSError, TimeoutError) as err:
            await self._close(word)
            return {"error": str(err) or type(err).__name__}
        if not word:
            await self._close(word)
        return answer

    async def _connect(self, asked: dict[str, Any]) -> tuple[contextlib.AsyncExitStack, Connection]:
        opening = connect(*self._where, configuration=self._settings(asked), create_protocol=Connection)
        stack = contextlib.AsyncExitStack()
        async with asyncio.timeout(PATIENCE):
            made = await stack.enter_async_context(opening)
        assert isinstance(made, Connection)
        return stack, made

    async def _close(self, word: str) -> None:
        if word in self._open:
            self._open.pop(word)[1].close()

    def _settings(self, asked: dict[str, Any]) -> QuicConfiguration:
        made = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name=asked["sni"])
        made.load_verify_locations(self._authorities)
        if shown := asked.get("shown"):
            made.load_cert_chain(shown)
        return made


async def main() -> None:
    client = Client(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    while line := await asyncio.to_thread(sys.stdin.readline):
        sys.stdout.write(json.dumps(await client.ask(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
