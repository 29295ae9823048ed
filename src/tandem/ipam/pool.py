"""Which addresses come next: a node's blocks, what is in use of them and what was wished -> one per family. Pure.

Next-fit: the search goes on after the address given last, so that an address is not reused while others still believe
that it is the old pod's; and one that was given up stays unused for the cool-down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from math import ceil
from typing import Final

from tandem.base.addresses import family
from tandem.base.block import NAMES, Block, number_of, span, text_of

NEVER: Final = float("-inf")
Range = tuple[str, str]
"""First and last address."""


class PoolFullError(Exception):
    """No address is free; the text says how large the blocks are and what to do."""


class AddressRefusedError(Exception):
    """An address that was asked for cannot be given; the text says why."""


class ElsewhereError(AddressRefusedError):
    """It is in none of this node's blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What has become of the addresses of this node so far."""

    taken: AbstractSet[str] = frozenset()
    released: Mapping[str, float] = field(default_factory=dict)
    """When addresses were given up, on the monotonic clock."""
    last: Mapping[int, str] = field(default_factory=dict)
    """The address given last, by family."""
    begun: float = NEVER
    """What was given up until then is not known: it may be any address."""
    now: float = 0.0
    cool_down: float = 0.0
    """Seconds for which an address that was given up stays unused."""

    def cools(self, address: str) -> float:
        """Seconds until the address may be given again; 0: it may."""
        return max(0.0, max(self.released.get(address, NEVER), self.begun) + self.cool_down - self.now)

    @property
    def blind(self) -> float:
        """Seconds for which every address cools down, since nobody knows which of them were given up."""
        return max(0.0, self.begun + self.cool_down - self.now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a pod asks for; the empty value asks for any address of each family."""

    addresses: tuple[str, ...] = ()
    """At most one per family."""
    ranges: tuple[tuple[Range, ...], ...] = ()
    """Sets of ranges, each of one family and giving one address."""
    known: bool = False
    """Control knows of the addresses, and may yet bring this node to have them."""


ANY: Final = Wanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How full a block is. `free` is what could be given now without being asked for by name."""

    prefix: str
    size: int
    used: int
    cooling: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The addresses of one node. A pod gets one of each of `families`, or none at all."""

    blocks: tuple[Block, ...]
    """In the order in which they are used up; borrowed addresses are blocks of one."""
    families: tuple[int, ...]
    closed: frozenset[str] = frozenset()
    """Prefixes of blocks out of which nothing new is given."""
    withheld: frozenset[str] = frozenset()
    """Addresses that this node must not give: they are lent to others."""
    reserved: tuple[str, ...] = ()
    """Prefixes whose addresses are given only to those who ask for one of them."""

    @classmethod
    def of(cls, *prefixes: str) -> Pool:
        """The pool of these blocks, with the families that occur in them."""
        blocks = tuple(Block(prefix) for prefix in prefixes)
        return cls(blocks=blocks, families=tuple(dict.fromkeys(b.family for b in blocks)))

    @property
    def gateways(self) -> tuple[str, ...]:
        """The node's own address in the first block of each family."""
        first: dict[int, Block] = {}
        for block in self.blocks:
            if block.size > 1:
                first.setdefault(block.family, block)
        return tuple(block.gateway for _, block in sorted(first.items()))

    def give(self, wanted: Wanted, use: Use) -> tuple[str, ...]:
        """One address per family, in their order; raises PoolFullError or AddressRefusedError, and then gives none."""
        if not self.families:
            raise PoolFullError("this node has no block of addresses yet")
        if seconds := use.blind:
            what = "which addresses were in use until lately is not known, for the journal of them begins anew"
            raise PoolFullError(f"{what}: all cool down, for {ceil(seconds)} s more")
        asked = {family(address): address for address in wanted.addresses}
        ranges = {family(ones[0][0]): ones for ones in wanted.ranges if ones}
        for version in (*asked, *ranges):
            if version not in self.families:
                raise AddressRefusedError(f"this node has no {NAMES[version]} addresses to give")
        return tuple(
            self._claim(asked[version], use) if version in asked else self._next(version, ranges.get(version, ()), use)
            for version in self.families
        )

    def counts(self, use: Use) -> tuple[Count, ...]:
        """How full each block is, in the order of the blocks."""
        busy = {*use.taken, *self.withheld, *(a for a in use.released if use.cools(a))}
        found = []
        for block in self.blocks:
            inside = [a for a in busy if a in block]
            open_ones = [n for a in inside if block.low <= (n := number_of(a)) <= block.high]
            reserved = tuple(self._reserved_in(block))
            unreserved = sum(1 for n in open_ones if not any(low <= n <= high for low, high in reserved))
            size = block.size - sum(high - low + 1 for low, high in reserved)
            used = sum(1 for a in inside if a in use.taken)
            free = 0 if block.prefix in self.closed else size - unreserved
            cooling = sum(1 for a in inside if a not in use.taken and use.cools(a))
            found.append(Count(prefix=block.prefix, size=block.size, used=used, cooling=cooling, free=free))
        return tuple(found)

    def spare(self, use: Use, *, most: int) -> tuple[str, ...]:
        """At most so many addresses of each family that would be given last: what may be lent to others."""
        found: list[str] = []
        for version in self.families:
            found += islice(self._backwards(version, use), most)
        return tuple(found)

    def _backwards(self, version: int, use: Use) -> Iterator[str]:
        for block in reversed(self._open(version)):
            if block.size == 1:
                continue  # borrowed: not ours to lend
            for number in range(block.high, block.low - 1, -1):
                address = text_of(version, number)
                if self._is_free(address, use) and not self._reservation(version, number):
                    yield address

    def _reserved_in(self, block: Block) -> Iterator[tuple[int, int]]:
        """The parts of a block that are reserved, without overlap."""
        behind = block.low - 1
        for low, high in sorted(span(p)[1:] for p in self.reserved if span(p)[0] == block.family):
            first, last = max(low, behind + 1), min(high, block.high)
            if first <= last:
                yield first, last
                behind = last

    def _open(self, version: int) -> tuple[Block, ...]:
        return tuple(b for b in self.blocks if b.family == version and b.prefix not in self.closed)

    def _claim(self, address: str, use: Use) -> str:
        block = next((b for b in self.blocks if address in b), None)
        if block is None:
            names = ", ".join(b.prefix for b in self.blocks)
            raise ElsewhereError(f"address {address} is outside {names}, this node's pod prefixes")
        if not block.low <= number_of(address) <= block.high:
            raise AddressRefusedError(f"address {address} is reserved: the network's, the node's own or broadcast")
        if block.prefix in self.closed:
            raise AddressRefusedError(f"address {address} is in {block.prefix}, out of which nothing new is given")
        if address in use.taken:
            raise AddressRefusedError(f"address {address} is taken by another pod of this node")
        if address in self.withheld:
            raise AddressRefusedError(f"address {address} is lent to another node")
        if seconds := use.cools(address):
            raise AddressRefusedError(f"address {address} was given up and cools down for {ceil(seconds)} s more")
        return address

    def _next(self, version: int, ranges: tuple[Range, ...], use: Use) -> str:
        blocks = self._open(version)
        last = use.last.get(version, "")
        cursor = number_of(last) if last else -1
        parts = tuple(_parts(blocks, ranges))
        # The block that gave the last address goes on behind it; then the others, and its beginning.
        begun = next((i for i, (low, high) in enumerate(parts) if low <= cursor <= high), None)
        if begun is not None:
            low, high = parts[begun]
            parts = ((cursor + 1, high), *parts[begun + 1 :], *parts[:begun], (low, cursor))
        for low, high in parts:
            found = self._first_free(version, low, high, use)
            if found:
                return found
        raise PoolFullError(self._full(version, blocks, ranges, use))

    def _first_free(self, version: int, low: int, high: int, use: Use) -> str:
        taken, released, withheld = use.taken, use.released, self.withheld
        number = low
        while number <= high:
            if self.reserved and (end := self._reservation(version, number)):
                number = end + 1
                continue
            address = text_of(version, number)
            if address not in taken and address not in withheld and not (address in released and use.cools(address)):
                return address
            number += 1
        return ""

    def _is_free(self, address: str, use: Use) -> bool:
        return address not in use.taken and address not in self.withheld and not use.cools(address)

    def _reservation(self, version: int, number: int) -> int:
        """The last number of the reservation that it lies in; 0 if it lies in none."""
        for prefix in self.reserved:
            of, first, last = span(prefix)
            if of == version and first <= number <= last:
                return last
        return 0

    def _full(self, version: int, blocks: tuple[Block, ...], ranges: tuple[Range, ...], use: Use) -> str:
        cooling = [s for a in use.released if family(a) == version and a not in use.taken and (s := use.cools(a))]
        wait = f"; {len(cooling)} cool down, the next is free in {ceil(min(cooling))} s" if cooling else ""
        if ranges:
            names = ", ".join(f"{low} to {high}" for low, high in ranges)
            return f"no address is free in the ranges asked for: {names}{wait}"
        if not blocks:
            return (
                f"this node has no block of {NAMES[version]} addresses: no pool serves it, or those that do are used up"
            )
        names = ", ".join(b.prefix for b in blocks)
        size = sum(b.size for b in blocks)
        return (
            f"address pool {names} is full: all {size} addresses are in use{wait}; "
            f"delete pods of this node or give it a larger pod prefix"
        )


def _parts(blocks: Iterable[Block], ranges: tuple[Range, ...]) -> Iterator[tuple[int, int]]:
    """What is searched, first and last number each: the blocks, or what lies in them of the ranges in their order."""
    if not ranges:
        yield from ((block.low, block.high) for block in blocks)
        return
    held = tuple(blocks)
    for first, last in ranges:
        for block in held:
            low, high = max(number_of(first), block.low), min(number_of(last), block.high)
            if low <= high:
                yield low, high
