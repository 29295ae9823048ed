"""What a driver of the fast path does: `real.py` to the kernel, `fake.py` to what a test tells it of links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tandem.state.fastpath import FastEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What of the fast path is in the kernel."""

    ends: frozenset[FastEnd] = frozenset()
    links: frozenset[str] = frozenset()
    """Whose filter runs the program of this driver."""
    earlier: frozenset[str] = frozenset()
    """Whose filter was left by an earlier driver: its program goes on with what that one knew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What to change; false if nothing."""

    put: tuple[FastEnd, ...] = ()
    drop: tuple[FastEnd, ...] = ()
    attach: tuple[str, ...] = ()
    """Links that shall have the filter, in place of an earlier driver's."""
    detach: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.put or self.drop or self.attach or self.detach)


class FastPathDriver(Protocol):
    """Each method raises DriverError where the kernel refuses; what was done until then is held."""

    async def read(self) -> Held:
        """What is there."""

    async def apply(self, delta: Delta) -> bool:
        """Change it. Links that are not there are passed over: `read` does not have them, nor their ends.

        True if a link lost its filter and goes on without: of what is established there, connection tracking may know
        the beginning only.
        """

    async def is_bare(self, host_ifname: str) -> bool:
        """True where this driver gave a link the filter, and the link is there and has it no more."""

    async def packets(self) -> int:
        """How many went the fast path since this driver made its program."""
