"""HTTP/1.1 connections that an application may take over (RFC 9110, section 7.8), which ASGI has no words for.

In: requests with an Upgrade header. Out: to the application, `scope["extensions"][TAKE_OVER]`: called with the head of
a 101 response, it sends that and gives the connection as a Wire. All else is uvicorn's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tandem.apiserver.streams.wire import Wire

TAKE_OVER: Final = "tandem.take_over"
TakeOver = Callable[[bytes], Wire]


def taken_over(scope: Scope, head: bytes) -> Wire:
    """The connection of a request, after `head` was sent on it; raises LookupError where the server cannot do that."""
    take: TakeOver = scope.get("extensions", {})[TAKE_OVER]
    return take(head)


def switching(upgrade: str, *headers: tuple[str, str]) -> bytes:
    """The head of a 101 response."""
    lines = [("Connection", "Upgrade"), ("Upgrade", upgrade), *headers]
    return b"HTTP/1.1 101 Switching Protocols\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines).encode() + b"\r\n"


class UpgradingProtocol(HttpToolsProtocol):
    """One connection: HTTP, until it is taken over."""

    _wire: Wire | None = None

    def on_message_begin(self) -> None:
        """A request begins: the application is told what it may do."""
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment] # the extension is none that uvicorn knows
        scope["extensions"] = {TAKE_OVER: self._take_over}

    def data_received(self, data: bytes) -> None:
        """From the client."""
        if self._wire is None:
            super().data_received(data)
        else:
            self._wire.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        super().connection_lost(exc)
        if self._wire is not None:
            self._wire.lost()

    def shutdown(self) -> None:
        """The server ends: so does whoever has the connection."""
        if self._wire is None:
            super().shutdown()
        else:
            self._wire.leave()

    def _unsupported_upgrade_warning(self) -> None:
        """Whether an upgrade is supported is the application's to say, and its answer says it.

        Where it is not, the connection ends with that answer: the parser reads no other request after such a head.
        """
        self.cycle.keep_alive = False

    def _take_over(self, head: bytes) -> Wire:
        self.cycle.response_started = self.cycle.response_complete = True
        self._unset_keepalive_if_required()
        self.transport.write(head)
        self._wire = Wire(self.transport, self.flow)
        return self._wire
