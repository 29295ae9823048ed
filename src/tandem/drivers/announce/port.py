"""What the agent needs of whoever answers for addresses: the kernel, or a fake that does the same in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

LEASE_SECONDS: Final = 5
"""An address leaves its link so long after the last `hold`: where the agent is dead the node falls silent by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """The result of `hold`."""

    taken: frozenset[str] = frozenset()
    """Addresses that were not on their link before: they are to be announced."""
    nowhere: frozenset[str] = frozenset()
    """Addresses that lie in no subnet of any link of this node."""


class Announcer(Protocol):
    """Answers for addresses on the links in whose subnets they lie."""

    async def hold(self, addresses: frozenset[str]) -> Holding:
        """Answer for exactly these, for LEASE_SECONDS from now; raises DriverError."""

    async def announce(self, addresses: frozenset[str]) -> None:
        """Tell every neighbour of each that is held and in force that this node has it now."""

    async def contested(self) -> frozenset[str]:
        """Addresses held here that somebody else has announced since the last call; the first one begins to listen."""

    async def owned(self) -> tuple[str, ...]:
        """Every address of ours on a link, from the kernel alone."""

    async def close(self) -> None:
        """Stop listening; what is held stays until its time is over."""
