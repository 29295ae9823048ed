"""Short, stable digests for names and versions."""

from __future__ import annotations

import hashlib


def digest(data: str | bytes, length: int = 10) -> str:
    """The first `length` hex digits of SHA-256; the same input gives the same digest for ever."""
    raw = data.encode() if isinstance(data, str) else data
    return hashlib.sha256(raw).hexdigest()[:length]
