"""The client's end of SPDY/3.1, as tests need it: frames as bytes, and what the server says in answer."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from tandem.apiserver.streams.spdy.headers import DICTIONARY


class Frame(NamedTuple):
    """Of the server: `kind` 0 is data."""

    kind: int
    stream: int
    body: bytes
    ends: bool = False


class Client:
    """Makes a client's frames, which the server must get in this order."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(zdict=DICTIONARY)

    def opens(self, stream: int, headers: Mapping[str, str], *, ends: bool = False) -> bytes:
        block = struct.pack(">I", len(headers))
        for text in (t.encode() for pair in headers.items() for t in pair):
            block += struct.pack(">I", len(text)) + text
        packed = self._zlib.compress(block) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
        return control(1, struct.pack(">IIH", stream, 0, 0) + packed, flags=int(ends))


def control(kind: int, body: bytes, *, flags: int = 0, version: int = 3) -> bytes:
    return struct.pack(">HHI", 0x8000 | version, kind, flags << 24 | len(body)) + body


def data(stream: int, body: bytes, *, ends: bool = False) -> bytes:
    return struct.pack(">II", stream, int(ends) << 24 | len(body)) + body


def frames(raw: bytes) -> list[Frame]:
    """All that the server has sent."""
    found = []
    while raw:
        first, second = struct.unpack_from(">II", raw)
        length = second & 0xFFFFFF
        body, raw = raw[8 : 8 + length], raw[8 + length :]
        if first >> 31:
            kind = first & 0xFFFF
            (stream,) = struct.unpack_from(">I", body)
            found.append(Frame(kind, stream, body[4:]))
        else:
            found.append(Frame(0, first, body, bool(second >> 24 & 1)))
    return found


class Pipe:
    """Bytes of a client that were all sent at once, and what came back."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.sent = bytearray()

    async def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    async def write(self, data: bytes) -> None:
        self.sent += data

    @property
    def frames(self) -> list[Frame]:
        return frames(bytes(self.sent))
