"""What the agent needs of its Envoy's process; the real one is `process.py`, the fake `fake.py`."""

from __future__ import annotations

from typing import Protocol

from tandem.base.problems import DriverError
from tandem.drivers.process.daemon import DaemonStatus


class ProxyError(DriverError):
    """Envoy does not start or does not become ready; the text names its log."""


class Proxy(Protocol):
    """The life of one Envoy."""

    async def start(self) -> None:
        """Adopt the Envoy that an earlier agent left, if it is current, else start one. Idempotent."""

    async def run(self) -> None:
        """Start it again whenever it dies, with back-off. Ends only when cancelled, and leaves it alive."""

    async def wait_ready(self, deadline: float) -> None:
        """Return when it has its first configuration; raises ProxyError after `deadline` seconds."""

    async def status(self) -> DaemonStatus:
        """How it is now."""

    async def turn_away(self, *, clients: bool) -> None:
        """Whether clients of gateways are told, with each answer, to come back on another connection.

        Raises a DriverError if it cannot be told.
        """

    async def stop(self, drain: float = 0.0) -> None:
        """End it (after cancelling `run`) and remove its files; connections may finish for `drain` seconds."""
