"""The loop that puts a NodeView in force in the node's encrypted tunnel, and watches it.

In: the newest NodeView. Out: a device with its peers, or none; the node's public key for the others; what is wrong.
Whatever fails here leaves packets between nodes unsent: the fabric has no route for them but the unreachable one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import structlog

from tandem.base.cell import Cell
from tandem.base.clock import Clock, SystemClock, rfc3339
from tandem.base.problems import DriverError
from tandem.base.secret import Secret
from tandem.compile.wireguard import compile_tunnel, unheard
from tandem.drivers.process.daemon import Serves
from tandem.drivers.wireguard.keys import public_of
from tandem.drivers.wireguard.plan import plan
from tandem.drivers.wireguard.port import Held, WireguardDriver
from tandem.ir.node import NodeView
from tandem.runtime.views import Numbered, Views, newest_of
from tandem.state.wireguard import Tunnel

log = structlog.get_logger()

LOOK_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 0.1
PATIENCE: Final = 8.0
"""A tunnel that is not in force, or a node that has told no key, is a problem after so long."""


class Server(Serves, Protocol):
    """What the loop needs of the device and of who serves it."""

    kind: str
    driver: WireguardDriver

    @property
    def serving(self) -> bool:
        """There is somebody to be told."""

    def key(self) -> Secret:
        """The node's private key."""

    async def open(self) -> bool:
        """Make the device, and have it served; true if it is a new one."""

    async def shape(self, tunnel: Tunnel) -> None:
        """Give it MTU, addresses and routes."""

    async def close(self) -> None:
        """Remove it."""


class EncryptionLoop:
    """Keeps one tunnel equal to the newest view."""

    def __init__(self, server: Server, clock: Clock | None = None) -> None:
        self._server = server
        self._clock = clock or SystemClock()
        self._held = Held()
        self._shaped: tuple[Tunnel, int] | None = None
        self._closed = False
        self._bad: dict[str, float] = {}
        """Since when: by the name of a node without a key, and by "" for the tunnel itself."""
        self._view: NodeView | None = None
        self.key: Cell[str] = Cell("")
        """The public one, which the other nodes must be told; empty without encryption."""
        self.failed: Mapping[str, str] = {}

    async def run(self, views: Views) -> None:
        """Follow each newest view, and look at the device every other second."""
        seen = -1
        while True:
            seen, newest = await self._next(views, seen)
            tunnel = compile_tunnel(newest.view)
            if tunnel is None:
                await self._close()
            else:
                self._view, self._closed = newest.view, False
                await self._follow(tunnel, newest.view)

    async def _close(self) -> None:
        """Once; tried again with the next look where it failed."""
        if self._closed:
            return
        try:
            await self._server.close()
            self._closed = True
            self.failed = {}
        except DriverError as err:
            self.failed = {"encryption": f"the tunnel cannot be removed: {err}"}
        self._held, self._shaped, self._bad, self._view = Held(), None, {}, None
        self.key.put("")

    async def _follow(self, tunnel: Tunnel, view: NodeView) -> None:
        now, error = self._clock.monotonic(), ""
        try:
            await self._apply(tunnel)
        except DriverError as err:
            self._shaped, error = None, str(err)
        bad = {*unheard(view), *([""] if error else [])}
        self._bad = {name: self._bad.get(name, now) for name in bad}
        late = {name for name, since in self._bad.items() if now - since >= PATIENCE}
        self.failed = {
            name: f"node {name} has told no key of WireGuard: what is for its pods is dropped" for name in late if name
        } | ({"": f"the encrypted tunnel is not in force: {error}"} if "" in late else {})

    async def _apply(self, tunnel: Tunnel) -> None:
        key = self._server.key()
        self.key.put(public_of(key))
        new = await self._server.open()
        started = self._server.started.value
        if not self._server.serving:
            raise DriverError(self._server.trouble or "wireguard-go does not run")
        driver = self._server.driver
        self._held = await driver.read()
        if delta := plan(self._held, tunnel, key):
            await driver.apply(delta)
            self._held = await driver.read()
        # Routes last: before there is a peer for it, nothing shall be sent into the tunnel.
        if new or self._shaped != (tunnel, started):
            await self._server.shape(tunnel)
            self._shaped = tunnel, started

    @property
    def in_force(self) -> bool:
        """Device, peers and routes are as the newest view says."""
        return self._shaped is not None

    @property
    def cut_off(self) -> tuple[str, ...]:
        """Why no pod of this node reaches another node: not what other nodes lack."""
        return tuple(text for name, text in self.failed.items() if not name)

    def status(self) -> dict[str, Any] | None:
        """For `tandem status`; None without encryption."""
        view = self._view
        if view is None:
            return None
        seen = {
            node.name: self._held.handshakes.get(node.encryption_key, 0)
            for node in view.nodes.values()
            if node.name != view.node.name
        }
        return {
            "by": self._server.kind,
            "publicKey": self.key.value,
            "ready": self.in_force,
            "peers": [
                {"node": name, "handshake": rfc3339(last) if last else ""} for name, last in sorted(seen.items())
            ],
        }

    async def _next(self, views: Views, seen: int) -> tuple[int, Numbered]:
        """The newest view: when it is new, when a process started, or after a moment."""
        waiting = None if self._closed and not self.failed else LOOK_SECONDS
        if self._view is not None and self._shaped is None:
            waiting = RETRY_SECONDS
        started = self._server.started
        return await newest_of(views, seen, (started, started.value), retry=waiting)
