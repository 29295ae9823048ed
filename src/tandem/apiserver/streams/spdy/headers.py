"""Header blocks (SPDY Protocol, draft 3, section 2.6.10): names and values, compressed over the whole connection.

In: mappings or bytes. Out: the other. One Compressor and one Decompressor belong to each connection.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Final

LARGEST: Final = 64 * 1024
"""Bytes of a block once it is decompressed."""
_WORDS: Final = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
)
_MORE: Final = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_CODES: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY: Final = (
    b"".join(struct.pack(">I", len(w)) + w.encode() for w in (*_WORDS.split(), *_MORE)) + _CODES.encode()
)
"""What both ends' compressors have seen before the first block: words with their lengths, then loose text."""


class BlockError(ValueError):
    """A header block that cannot be read: what comes after it cannot be read either."""


class Compressor:
    """Makes blocks."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(zdict=DICTIONARY)

    def block(self, headers: Mapping[str, str]) -> bytes:
        """The block; names are sent in lower case."""
        raw = struct.pack(">I", len(headers))
        for text in (t for name, value in headers.items() for t in (name.lower(), value)):
            data = text.encode()
            raw += struct.pack(">I", len(data)) + data
        return self._zlib.compress(raw) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class Decompressor:
    """Reads blocks."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)

    def headers(self, block: bytes) -> dict[str, str]:
        """By name in lower case; raises BlockError."""
        try:
            raw = self._zlib.decompress(block, LARGEST)
        except zlib.error as err:
            raise BlockError(f"header block: {err}") from err
        if self._zlib.unconsumed_tail:
            raise BlockError(f"header block: more than {LARGEST} bytes")
        fields = _fields(raw)
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in fields}


def _fields(raw: bytes) -> list[tuple[bytes, bytes]]:
    try:
        (count,) = struct.unpack_from(">I", raw)
        texts, at = [], 4
        for _ in range(2 * count):
            (length,) = struct.unpack_from(">I", raw, at)
            if at + 4 + length > len(raw):
                raise BlockError("header block: a text ends behind it")
            texts.append(raw[at + 4 : at + 4 + length])
            at += 4 + length
    except struct.error as err:
        raise BlockError(f"header block: {err}") from err
    return list(zip(texts[::2], texts[1::2], strict=True))
