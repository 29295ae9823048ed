"""As much of WebSocket as two ends need that speak one short message each (RFC 6455), for `echo.py` and `client.py`."""

from __future__ import annotations

import base64
import hashlib
from typing import IO, Any, Final

KEY: Final = base64.b64encode(b"sixteen bytes it").decode()
_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SHORT, _LONG = 125, 126
_WHOLE_TEXT: Final = 0x81


def accept(key: str) -> str:
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()


def frame(message: bytes, mask: bytes = b"") -> bytes:
    """One whole text message; what a client sends is masked by four bytes."""
    flag = 0x80 if mask else 0
    short = len(message) <= _SHORT
    size = bytes([flag | len(message)]) if short else bytes([flag | _LONG]) + len(message).to_bytes(2, "big")
    return bytes([_WHOLE_TEXT]) + size + mask + _masked(message, mask)


def receive(stream: IO[bytes] | Any) -> bytes:
    """The next message; EOFError if none comes whole."""
    first, second = _exactly(stream, 2)
    if first != _WHOLE_TEXT:
        raise EOFError(f"a frame that begins with {first:#x}")
    size = second & 0x7F
    if size == _LONG:
        size = int.from_bytes(_exactly(stream, 2), "big")
    mask = _exactly(stream, 4) if second & 0x80 else b""
    return _masked(_exactly(stream, size), mask)


def _masked(message: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(message)) if mask else message


def _exactly(stream: IO[bytes] | Any, count: int) -> bytes:
    found: bytes = stream.read(count)
    if len(found) < count:
        raise EOFError(f"{len(found)} bytes, not {count}")
    return found
