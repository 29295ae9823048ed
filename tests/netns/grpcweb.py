"""A client of gRPC-Web (grpc/doc/PROTOCOL-WEB.md) on HTTP/1.1: frames, base64 and trailers by hand."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterator
from typing import Final

_TRAILERS: Final = 0x80
_HEAD: Final = 5
_QUANTUM: Final = 4
"""So many characters of base64 are decoded on their own: each frame may be padded."""


class Call:
    """One call. `messages` are read as they come; `trailers` are there when they have ended."""

    def __init__(self, connection: http.client.HTTPConnection, path: str, message: bytes, *, text: bool) -> None:
        self._text = text
        body = bytes([0]) + len(message).to_bytes(4, "big") + message
        kind = "application/grpc-web-text" if text else "application/grpc-web+proto"
        headers = {"content-type": kind, "accept": kind, "x-grpc-web": "1", "host": "shop.test"}
        connection.request("POST", path, base64.b64encode(body) if text else body, headers)
        self.response = connection.getresponse()
        self.trailers = {
            name: value for name, value in self.response.getheaders() if name in {"grpc-status", "grpc-message"}
        }
        """Of a call without a body they are in the header."""

    def _exactly(self, count: int) -> bytes:
        data = self._left
        while len(data) < count:
            more = self.response.read(_QUANTUM if self._text else 1)
            if not more:
                raise EOFError(f"{len(data)} bytes, not {count}")
            data += base64.b64decode(more, validate=True) if self._text else more
        self._left = data[count:]
        return data[:count]

    _left = b""

    def messages(self) -> Iterator[bytes]:
        """Until the trailers, or until the end of a body without any."""
        while True:
            try:
                flag, *size = self._exactly(_HEAD)
            except EOFError:
                return
            body = self._exactly(int.from_bytes(size, "big"))
            if flag & _TRAILERS:
                pairs = (line.partition(":") for line in body.decode().split("\r\n") if line)
                self.trailers = {name.strip(): value.strip() for name, _, value in pairs}
                assert self.response.read() == b"", "something follows the trailers"
                return
            yield body
