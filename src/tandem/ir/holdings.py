"""What a node tells control of its addresses: how full its blocks are, and its answers to the marks in `ir.Node`."""

from __future__ import annotations

import msgspec

from tandem.base.addresses import family


class BlockUse(msgspec.Struct, frozen=True, kw_only=True):
    """How full a block (or a borrowed address, as a prefix) is."""

    prefix: str
    size: int
    used: int
    cooling: int
    free: int
    closed: bool = False
    """The node takes it for one out of which it gives nothing new."""


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """One node's addresses."""

    blocks: tuple[BlockUse, ...] = ()
    low: dict[int, int] = {}
    """By family, how few free addresses make the node want more."""
    spare: tuple[str, ...] = ()
    """A few free addresses that could be lent."""
    agreed: tuple[str, ...] = ()
    """Ids of lent addresses that are not in use here and will not be given."""
    declined: tuple[str, ...] = ()
    """Ids of those that are in use, or were so lately that they cool down."""
    returned: tuple[str, ...] = ()
    """Ids of closed parts of which nothing is in use or cools down."""
    strays: tuple[str, ...] = ()
    """Addresses in use, or cooling down, of no block of the node's: somebody deleted its block."""
    idle: tuple[str, ...] = ()
    """Prefixes of open parts of which nothing has been in use for a while."""

    @property
    def wants(self) -> tuple[int, ...]:
        """Families that run low."""
        return tuple(version for version, few in sorted(self.low.items()) if self.free(version) <= few)

    def free(self, version: int) -> int:
        """How many addresses of a family could be given now."""
        return sum(b.free for b in self.blocks if family(b.prefix) == version)
