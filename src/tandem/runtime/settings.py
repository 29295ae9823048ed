"""Settings of the node's kernel as pods need them: made so, kept so while the agent runs, and told where that fails.

In: what the node has (IPv6, a bridge of pods), and the links by which it reaches others. Out: settings, and sentences.
Before each change the value as it was is kept for `tandem down` (`sysctls.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import structlog

from tandem.base.clock import Clock
from tandem.base.paths import NodeDir
from tandem.base.problems import DriverError
from tandem.drivers.link.port import LinkDriver
from tandem.runtime import sysctls
from tandem.runtime.drift import PutBack

log = structlog.get_logger()

RETRY_SECONDS: Final = 5.0
"""After so long a setting that the kernel refused is tried again."""
TICK_SECONDS: Final = 1.0
"""Between two looks at what others may change; some microseconds each."""
LINKS_SECONDS: Final = 10.0
"""Between two looks at which links lead to others."""


class NodeSettings:
    """One per agent. `again` is called when `meet` should be."""

    def __init__(self, links: LinkDriver, node: NodeDir, clock: Clock, again: Callable[[], None]) -> None:
        self._links = links
        self._node = node
        self._again = again
        self._forwards_ipv6 = False
        self._unset: tuple[str, ...] = ()
        self._deaf: tuple[str, ...] = ()
        self._outward: tuple[str, ...] = ()
        self._looked = float("-inf")
        self._met = False
        self._changed = PutBack(clock)

    async def set(self, wanted: Mapping[str, str]) -> None:
        """Remember what was, and set; raises DriverError."""
        await sysctls.change(self._links, self._node, wanted)

    async def meet(self, *, ipv6: bool, segment: bool) -> None:
        """The node forwards IPv6 once it has a block of it, and has a bridge once that is its fabric: late, both."""
        new = ipv6 and not self._forwards_ipv6
        wanted = sysctls.wanted_for_ipv6() if new else {}
        if segment:
            wanted |= sysctls.wanted_for_segment()
        try:
            if wanted:
                await self.set(wanted)
            self._forwards_ipv6, self._unset = self._forwards_ipv6 or new, ()
        except DriverError as err:
            log.error("settings of the node are not as pods need them", error=str(err), wanted=wanted)
            self._unset = (str(err),)
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._again)

    async def run(self) -> None:
        """Keep forwarding on, on the node and on links that lead to others, until cancelled."""
        while True:
            try:
                await self._forward()
                self._deaf = ()
            except DriverError as err:
                self._deaf = (f"what comes from outside may not be forwarded to pods: {err}",)
            await asyncio.sleep(TICK_SECONDS)

    async def _forward(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._looked >= LINKS_SECONDS:
            self._outward, self._looked = await self._links.outward(), now
        # What comes in by a link without it is for the node alone. With IPv6 the node's own setting counts.
        ipv6 = {sysctls.FORWARD_IPV6: "1"} if self._forwards_ipv6 else {}
        wanted = sysctls.WANTED | ipv6 | sysctls.wanted_of_links(self._outward)
        try:
            before = await self._links.read_sysctls(wanted)
        except DriverError:
            self._looked = float("-inf")  # a link has gone
            with suppress(DriverError):
                await self._links.read_sysctls(sysctls.WANTED)
                return
            raise
        off = {name: value for name, value in wanted.items() if before[name] != value}
        if off:
            await self.set(off)
            self._note(off)
        self._met = True

    def _note(self, off: Mapping[str, str]) -> None:
        """At the first look nothing was ever as it should be."""
        if not self._met:
            log.info("links that lead to others forward", settings=sorted(off))
            return
        log.error("settings changed by others, and set again", settings=sorted(off))
        self._changed.note(", ".join(f"setting {name} changed" for name in sorted(off)))

    def problems(self) -> tuple[str, ...]:
        """Why settings are not as they should be."""
        return (*self._unset, *self._deaf)

    def status(self) -> Mapping[str, Any]:
        """Of what others changed, in the form of `Drift.status`."""
        return self._changed.status()
