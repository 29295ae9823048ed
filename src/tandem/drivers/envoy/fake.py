"""A Proxy without a process: for tests of what is built on it. Passes the contract tests of the real one."""

from __future__ import annotations

import asyncio

from tandem.drivers.envoy.port import ProxyError
from tandem.drivers.failing import Failing
from tandem.drivers.process.daemon import DaemonStatus


class FakeProxy(Failing):
    """Runs when started; `die()` ends it, `fail_next(error)` makes the next start fail."""

    def __init__(self) -> None:
        self._pid = 0
        self._next_pid = 1000
        self._restarts = 0
        self._died = asyncio.Event()
        self.turned_away = False

    def die(self) -> None:
        """As if it had been killed."""
        self._pid = 0
        self._died.set()

    async def start(self) -> None:
        """Idempotent."""
        self.may_fail()
        if not self._pid:
            self._next_pid += 1
            self._pid = self._next_pid
            self._died.clear()

    async def run(self) -> None:
        """Start again at each death, at once."""
        while True:
            await self.start()
            await self._died.wait()
            self._restarts += 1

    async def wait_ready(self, deadline: float) -> None:
        """Ready as soon as it runs."""
        try:
            async with asyncio.timeout(deadline):
                while not self._pid:  # noqa: ASYNC110 - as the real one polls
                    await asyncio.sleep(0)
        except TimeoutError:
            raise ProxyError(f"Envoy (not running) is not ready after {deadline:g} s") from None

    async def status(self) -> DaemonStatus:
        """As the real one tells."""
        return DaemonStatus(
            pid=self._pid, version="fake" if self._pid else "", ready=bool(self._pid), restarts=self._restarts
        )

    async def turn_away(self, *, clients: bool) -> None:
        """`turned_away` tells."""
        if not self._pid:
            raise ProxyError("Envoy is not running")
        self.may_fail()
        self.turned_away = clients

    async def stop(self, drain: float = 0.0) -> None:  # noqa: ARG002 - there are no connections to drain
        """Idempotent."""
        self._pid = 0
