"""A server that speaks HTTP/2 with prior knowledge and nothing else (RFC 9113), for `echo.py`: every request gets 200.

It reads no headers, so it needs no state of header compression: what a client asks for is the same to it.
"""

from __future__ import annotations

import socket
from typing import Final

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _PING = 0, 1, 4, 6
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_OK: Final = b"\x88"
"""`:status: 200`, of the static table (RFC 7541)."""


def serve(connection: socket.socket, body: bytes) -> None:
    """Answers requests until the client goes; a client of another protocol is closed at once."""
    if _exactly(connection, len(_PREFACE)) != _PREFACE:
        return
    connection.sendall(_frame(_SETTINGS, 0, 0, b""))
    while True:
        head = _exactly(connection, 9)
        size, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big")
        payload = _exactly(connection, size)
        if kind in {_SETTINGS, _PING} and not flags & _ACK:
            connection.sendall(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
        elif kind in {_HEADERS, _DATA} and flags & _END_STREAM:
            answer = _frame(_HEADERS, _END_HEADERS, stream, _OK) + _frame(_DATA, _END_STREAM, stream, body)
            connection.sendall(answer)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = connection.recv(count - len(found))
        if not more:
            raise EOFError
        found += more
    return found
