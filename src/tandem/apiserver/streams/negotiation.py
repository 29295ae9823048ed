"""Which protocol a connection goes on with: WebSocket or SPDY, and the subprotocol that the client likes best.

In: a request with an Upgrade header. Out: an Upgrade, or a Refusal that says what is understood here; and the
connection for as long as the client is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.requests import Request
from starlette.types import Scope

from tandem.apiserver.errors import Refusal
from tandem.apiserver.streams.spdy.connection import Connection
from tandem.apiserver.streams.websocket import SUBPROTOCOL, Offer, WebSocket
from tandem.apiserver.streams.wire import Wire
from tandem.apiserver.upgrading import TAKE_OVER, switching, taken_over
from tandem.base.groups import first_of

log = structlog.get_logger(__name__)

VERSION_HEADER: Final = "X-Stream-Protocol-Version"
Layer = WebSocket | Connection


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What was agreed on."""

    subprotocol: str
    offer: Offer | None = None
    """The WebSocket; SPDY without one."""

    @property
    def head(self) -> bytes:
        """Of the 101 response."""
        if self.offer is not None:
            return self.offer.head()
        return switching("SPDY/3.1", (VERSION_HEADER, self.subprotocol))

    def over(self, wire: Wire) -> Layer:
        """The connection, once the head was sent."""
        return Connection(wire) if self.offer is None else self.offer.over(wire)


def upgrade(request: Request, *, sockets: Sequence[str], spdy: Sequence[str]) -> Upgrade:
    """The subprotocols are those that the server knows; Refusal 400 without an upgrade, 403 where none is common."""
    if TAKE_OVER not in request.scope.get("extensions", {}):
        raise Refusal(400, "Upgrade request required")
    wanted = {token.strip().lower() for token in request.headers.get("upgrade", "").split(",")}
    tokens = {token.strip().lower() for token in request.headers.get("connection", "").split(",")}
    if "upgrade" not in tokens or not wanted & {"websocket", "spdy/3.1"}:
        raise Refusal(400, "Upgrade request required")
    if "websocket" not in wanted:
        return Upgrade(_chosen(_listed(request, VERSION_HEADER), spdy))
    offer = Offer(request, chosen := _chosen(_listed(request, SUBPROTOCOL), sockets))
    if offer.refusal:
        raise Refusal(400, offer.refusal)
    return Upgrade(chosen, offer)


async def serve(scope: Scope, agreed: Upgrade, work: Callable[[Layer], Awaitable[None]]) -> None:
    """Take the connection over and do the work on it, which is cancelled when the client goes."""
    wire = taken_over(scope, agreed.head)
    layer = agreed.over(wire)
    try:
        await wire.while_there(_whole(layer, work), layer.ping)
    except* ConnectionError as group:
        log.info("stream ended early", path=scope["path"], reason=str(first_of(group)))
    finally:
        wire.close()


async def _whole(layer: Layer, work: Callable[[Layer], Awaitable[None]]) -> None:
    try:
        await work(layer)
    finally:
        with contextlib.suppress(ConnectionError):  # who has gone needs no farewell, but a server that ends gives one
            await layer.close()


def _listed(request: Request, header: str) -> list[str]:
    """The values of a header that may come several times, or once with commas."""
    return [value.strip() for line in request.headers.getlist(header) for value in line.split(",") if value.strip()]


def _chosen(asked: Sequence[str], known: Sequence[str]) -> str:
    for name in asked:
        if name in known:
            return name
    text = (
        f"unable to upgrade: unable to negotiate protocol: client supports {list(asked)}, server accepts {list(known)}"
    )
    raise Refusal(403, text)
