"""Which part of the pools is free: blocks that exist and pools -> a node's next block. No two blocks overlap."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tandem.base.addresses import HOST_BITS
from tandem.base.block import Block, number_of, span, text_of
from tandem.ir.holdings import Holdings
from tandem.model import core
from tandem.model.ipam import IPAMBlock, IPPool, IPReservation
from tandem.model.world import World

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known beside the World."""

    holdings: Mapping[str, Holdings] = field(default_factory=dict)
    """By node; of connected nodes only."""
    gone: AbstractSet[str] = frozenset()
    """Names of nodes that hold blocks and were twice found not to exist, the grace period apart."""
    awaited: AbstractSet[str] = frozenset()
    """Names of nodes that had addresses when control began, and have not told since which they hold."""
    seed: str = ""
    """Chance, for ids."""


class Space:
    """The pools with everything that is taken of them; what `take` returns is taken from then on."""

    def __init__(self, world: World) -> None:
        self._pools = world.sorted(IPPool)
        self._taken: dict[int, list[Interval]] = {version: [] for version in HOST_BITS}
        self._reserved: dict[int, list[Interval]] = {version: [] for version in HOST_BITS}
        for block in world.sorted(IPAMBlock):
            self.occupy(block.spec.cidr)
        for prefix in reservations(world):
            version, low, high = span(prefix)
            self._reserved[version].append((low, high))

    def occupy(self, prefix: str) -> None:
        """Nobody gets this any more."""
        version, low, high = span(prefix)
        insort(self._taken[version], (low, high))

    def take(self, node: core.Node, version: int) -> tuple[str, str] | None:
        """(pool, prefix) of the next free block for a node; None if the pools that serve it are used up."""
        for pool in self.pools_for(node, version):
            _, low, high = span(pool.spec.cidr)
            size = 1 << (HOST_BITS[version] - pool.block_size)
            for start in self._free_starts(version, low, high, size):
                prefix = f"{text_of(version, start)}/{pool.block_size}"
                if not self._is_reserved(Block(prefix)):
                    self.occupy(prefix)
                    return pool.metadata.name, prefix
        return None

    def take_around(self, node: core.Node, address: str) -> tuple[str, str] | None:
        """The block of a pool that holds an address, if nobody has it."""
        number = number_of(address)
        version = 6 if ":" in address else 4
        for pool in self.pools_for(node, version):
            _, low, high = span(pool.spec.cidr)
            size = 1 << (HOST_BITS[version] - pool.block_size)
            start = number - (number - low) % size
            end = start + size - 1
            if low <= number <= high and not any(a <= end and start <= b for a, b in self._taken[version]):
                prefix = f"{text_of(version, start)}/{pool.block_size}"
                self.occupy(prefix)
                return pool.metadata.name, prefix
        return None

    def pools_for(self, node: core.Node, version: int) -> tuple[IPPool, ...]:
        """The pools of a family that serve a node, by name."""
        return tuple(p for p in self._pools if p.version == version and p.serves(node.metadata.labels))

    def families(self, node: core.Node) -> tuple[int, ...]:
        """Of which families the node has pools."""
        return tuple(version for version in HOST_BITS if self.pools_for(node, version))

    def _free_starts(self, version: int, low: int, high: int, size: int) -> Iterator[int]:
        start = low
        for first, last in self._taken[version]:
            while start + size - 1 < first and start + size - 1 <= high:
                yield start
                start += size
            if last >= start:
                start = low + -(-(last + 1 - low) // size) * size
        while start + size - 1 <= high:
            yield start
            start += size

    def _is_reserved(self, block: Block) -> bool:
        """True if a reservation covers all that could be given out of it."""
        return any(low <= block.low and block.high <= high for low, high in self._reserved[block.family])


def reservations(world: World) -> tuple[str, ...]:
    """Every reserved prefix, sorted."""
    found: Iterable[str] = (p for r in world.sorted(IPReservation) for p in r.spec.reserved_cidrs)
    return tuple(sorted(found))
