"""Requests that ask for an upgrade, for tests without a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from tandem.apiserver.upgrading import TAKE_OVER

SPDY = {"connection": "Upgrade", "upgrade": "SPDY/3.1"}


def asking(headers: Mapping[str, str], *, server: bool = True) -> Request:
    """With these headers. Without `server`, nobody can take the connection over."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/pods/web/exec",
        "query_string": b"",
        "headers": raw,
        "extensions": {TAKE_OVER: None} if server else {},
    }
    return Request(scope)
