"""The server's end of a SPDY/3.1 connection, without sockets: bytes in, events and bytes out.

Section numbers are those of the SPDY Protocol, draft 3. There is no flow control per stream (section 2.6.8 of draft
3.1): the clients, all built on one library, neither obey windows nor open them again. TCP's own holds everybody back.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from tandem.apiserver.streams.spdy.headers import BlockError, Compressor, Decompressor

LARGEST_CONTROL: Final = 64 * 1024
LARGEST_DATA: Final = 32 * 1024
"""Bytes of a data frame that we send; what comes in larger ones is given on in pieces."""
STREAMS: Final = 1024
"""Open at the same time; one more is refused."""
_VERSION: Final = 3
_CONTROL: Final = 0x80
_FIN: Final = 0x01
_SYN_REPLY: Final = 2
_RST_STREAM: Final = 3
_PING: Final = 6
_GOAWAY: Final = 7
_ID: Final = 0x7FFFFFFF
PROTOCOL_ERROR: Final = 1
REFUSED_STREAM: Final = 3
CANCEL: Final = 5
"""Why a stream is reset (section 2.6.3)."""
_THEIRS: Final = 1
_OURS: Final = 2


class SpdyError(ConnectionError):
    """The client breaks the protocol; nothing more of the connection can be understood."""


class Opened(NamedTuple):
    """The client has begun a stream; it waits for `reply` or `reset`."""

    stream: int
    headers: dict[str, str]
    ends: bool


class Data(NamedTuple):
    """Some of a stream; with `ends`, the last that the client sends on it."""

    stream: int
    data: bytes
    ends: bool


class Reset(NamedTuple):
    """The client wants no more of a stream, either way."""

    stream: int


class Away(NamedTuple):
    """The client begins no more streams."""


Event = Opened | Data | Reset | Away


class Session:
    """One connection. What is to be sent is in `outgoing` after each call."""

    def __init__(self) -> None:
        self.outgoing = bytearray()
        self._buffer = bytearray()
        self._compressor = Compressor()
        self._decompressor = Decompressor()
        self._newest = 0
        self._pings = 0
        self._left: Data | None = None
        self._missing = 0
        """Of a data frame that has come in part (`_left`): so many bytes."""
        self._open: dict[int, int] = {}
        """By stream: which ends are open (_THEIRS, _OURS)."""

    def receive(self, data: bytes) -> Iterator[Event]:
        """What the client said; raises SpdyError. To be read to its end."""
        self._buffer += data
        while True:
            if self._left is not None:
                if not (self._buffer or self._missing == 0):
                    return
                yield from self._part(self._left)
            elif len(self._buffer) < 8:
                return
            elif self._buffer[0] & _CONTROL:
                kind, flags, length = self._control_head()
                if len(self._buffer) < 8 + length:
                    return
                body = bytes(self._buffer[8 : 8 + length])
                del self._buffer[: 8 + length]
                try:
                    yield from self._control(kind, flags, body)
                except (struct.error, BlockError) as err:
                    raise SpdyError(f"control frame of type {kind}: {err}") from err
            else:
                stream, flags_length = struct.unpack_from(">II", self._buffer)
                del self._buffer[:8]
                self._left = Data(stream & _ID, b"", bool(flags_length >> 24 & _FIN))
                self._missing = flags_length & 0xFFFFFF

    def reply(self, stream: int) -> None:
        """Accept a stream."""
        self._send_control(_SYN_REPLY, struct.pack(">I", stream) + self._compressor.block({}))

    def reset(self, stream: int, status: int) -> None:
        """End a stream both ways."""
        if self._open.pop(stream, 0):
            self._send_control(_RST_STREAM, struct.pack(">II", stream, status))

    def send(self, stream: int, data: bytes, *, ends: bool = False) -> None:
        """Data on a stream, unless we or the client have ended it."""
        if not self._open.get(stream, 0) & _OURS:
            return
        pieces = [data[at : at + LARGEST_DATA] for at in range(0, len(data), LARGEST_DATA)] or [b""]
        for number, piece in enumerate(pieces, 1):
            flags = _FIN if ends and number == len(pieces) else 0
            self.outgoing += struct.pack(">II", stream, flags << 24 | len(piece)) + piece
        if ends:
            self._close(stream, _OURS)

    def ping(self) -> None:
        """Ours have even numbers; the client sends them back (section 2.6.5)."""
        self._pings += 2
        self._send_control(_PING, struct.pack(">I", self._pings & _ID))

    def leave(self) -> None:
        """Say that no more streams are accepted."""
        self._send_control(_GOAWAY, struct.pack(">II", self._newest, 0))

    def _control_head(self) -> tuple[int, int, int]:
        version, kind, flags_length = struct.unpack_from(">HHI", self._buffer)
        if version & 0x7FFF != _VERSION:
            raise SpdyError(f"version {version & 0x7FFF} of SPDY, not {_VERSION}")
        length = flags_length & 0xFFFFFF
        if length > LARGEST_CONTROL:
            raise SpdyError(f"control frame of {length} bytes; the largest is {LARGEST_CONTROL}")
        return kind, flags_length >> 24, length

    def _control(self, kind: int, flags: int, body: bytes) -> Iterator[Event]:
        match kind:
            case 1:  # SYN_STREAM
                yield from self._syn_stream(flags, body)
            case 3:  # RST_STREAM
                (stream,) = struct.unpack_from(">I", body)
                if self._open.pop(stream & _ID, 0):
                    yield Reset(stream & _ID)
            case 6:  # PING: those with odd numbers are the client's own, and come back to it
                (number,) = struct.unpack(">I", body)
                if number % 2:
                    self._send_control(_PING, body)
            case 7:  # GOAWAY
                yield Away()
            case 2 | 8:  # SYN_REPLY, HEADERS: they say nothing that we need, but the compression goes on through them
                self._decompressor.headers(body[4:])

    def _syn_stream(self, flags: int, body: bytes) -> Iterator[Event]:
        (stream,) = struct.unpack_from(">I", body)
        stream &= _ID
        headers = self._decompressor.headers(body[10:])
        if stream % 2 == 0 or stream <= self._newest:  # section 2.3.2
            raise SpdyError(f"stream {stream} after stream {self._newest}")
        self._newest = stream
        self._open[stream] = _THEIRS | _OURS
        if len(self._open) > STREAMS:
            self.reset(stream, REFUSED_STREAM)
            return
        if flags & _FIN:
            self._close(stream, _THEIRS)
        yield Opened(stream, headers, bool(flags & _FIN))

    def _part(self, frame: Data) -> Iterator[Event]:
        piece = bytes(self._buffer[: self._missing])
        del self._buffer[: self._missing]
        self._missing -= len(piece)
        ends = frame.ends and self._missing == 0
        if self._missing == 0:
            self._left = None
        if not self._open.get(frame.stream, 0) & _THEIRS:  # reset by us while this was on its way
            return
        if ends:
            self._close(frame.stream, _THEIRS)
        if piece or ends:
            yield Data(frame.stream, piece, ends)

    def _close(self, stream: int, end: int) -> None:
        left = self._open.get(stream, 0) & ~end
        if left:
            self._open[stream] = left
        else:
            self._open.pop(stream, None)

    def _send_control(self, kind: int, body: bytes) -> None:
        self.outgoing += struct.pack(">HHI", 0x8000 | _VERSION, kind, len(body)) + body
