"""`tandem ipam show`: pools, blocks, nodes and reservations with how full they are, and what is known of one address.

In: the World, and what the nodes report of their addresses. Out: values; the command line paints them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tandem.base.addresses import host_prefix
from tandem.base.block import Block, number_of, span
from tandem.ir.holdings import BlockUse, Holdings
from tandem.model import core
from tandem.model.ipam import IPAMBlock, IPPool, IPReservation
from tandem.model.world import World


class PoolUse(msgspec.Struct, frozen=True, kw_only=True):
    """One pool; numbers are of addresses, and of nodes that are connected."""

    name: str
    """Of the IPPool."""
    cidr: str
    """Its prefix."""
    block: int
    """Length of the prefixes of its blocks."""
    disabled: bool
    """Nothing new is given out of it."""
    blocks: int
    """How many blocks are held by nodes."""
    used: int
    """In use by pods."""
    cooling: int
    """Given up too lately to be given again."""
    free: int
    """Could be given now."""


class Lent(msgspec.Struct, frozen=True, kw_only=True):
    """One address of a block that another node may give, or is about to."""

    address: str
    """Without a prefix length."""
    node: str
    """The borrower."""
    state: str
    """`Asked`, `Lent` or `Returning`."""


class BlockShare(msgspec.Struct, frozen=True, kw_only=True):
    """One block."""

    cidr: str
    """Its prefix."""
    pool: str
    """Empty: of no pool."""
    node: str
    """Which node gives addresses of it."""
    returning: bool
    """On its way back: nothing new is given."""
    used: int
    """In use by pods of the node."""
    cooling: int
    """Given up too lately to be given again."""
    free: int
    """Could be given now."""
    lent: tuple[Lent, ...] = ()
    """To other nodes."""


class NodeUse(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of one node."""

    name: str
    """Of the Node."""
    reported: bool
    """False: its agent is not connected, and the numbers are unknown (0)."""
    blocks: tuple[str, ...]
    """Prefixes."""
    borrowed: tuple[str, ...]
    """Addresses of other nodes' blocks."""
    used: int
    """In use by its pods."""
    cooling: int
    """Given up too lately to be given again."""
    free: int
    """Could be given now."""


class Reserved(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses that are given only to those who ask for one of them."""

    name: str
    """Of the IPReservation."""
    cidrs: tuple[str, ...]
    """Prefixes."""


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """All addresses of pods."""

    pools: tuple[PoolUse, ...]
    """By name."""
    nodes: tuple[NodeUse, ...]
    """By name."""
    blocks: tuple[BlockShare, ...]
    """By prefix."""
    reservations: tuple[Reserved, ...]
    """By name."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one address; what does not apply is empty."""

    address: str
    """In canonical form."""
    pool: str = ""
    """The pool that it lies in."""
    block: str = ""
    """The block that it lies in."""
    node: str = ""
    """The node that may give it: the block's, or the borrower."""
    borrowed: bool = False
    """The block is another node's."""
    reserved: str = ""
    """The reservation that covers it."""
    own: bool = False
    """The node's own address, or one that is given to nobody."""
    pod: str = ""
    """`namespace/name` of the Pod whose status has it."""
    container: str = ""
    """The runtime's id of the container that has it, where the node is on this machine."""


def addresses(world: World, holdings: Mapping[str, Holdings]) -> Addresses:
    """The whole."""
    uses = {b.prefix: b for held in holdings.values() for b in held.blocks}
    blocks = tuple(_block(b, uses) for b in _sorted_blocks(world))
    return Addresses(
        pools=tuple(_pool(p, blocks) for p in world.sorted(IPPool)),
        nodes=tuple(_node(n, world, holdings.get(n.metadata.name)) for n in world.sorted(core.Node)),
        blocks=blocks,
        reservations=tuple(
            Reserved(name=r.metadata.name, cidrs=r.spec.reserved_cidrs) for r in world.sorted(IPReservation)
        ),
    )


def lookup(world: World, address: str) -> Found:
    """One address, which must be in canonical form."""
    pool = next((p.metadata.name for p in world.sorted(IPPool) if p.holds(host_prefix(address))), "")
    block = next((b for b in _sorted_blocks(world) if address in Block(b.spec.cidr)), None)
    loans = block.spec.loans if block is not None else ()
    borrower = next((x.node for x in loans if x.address == address and x.state.value != "Asked"), "")
    reserved = next((r.metadata.name for r in world.sorted(IPReservation) if _covers(r, address)), "")
    pod = world.pod_at(address)
    return Found(
        address=address,
        pool=pool,
        block=block.spec.cidr if block is not None else "",
        node=borrower or (block.spec.node if block is not None else ""),
        borrowed=bool(borrower),
        reserved=reserved,
        own=block is not None and not _is_given(block, address),
        pod="/".join(pod.key) if pod is not None and not pod.spec.host_network else "",
    )


def _is_given(block: IPAMBlock, address: str) -> bool:
    of = Block(block.spec.cidr)
    return of.low <= number_of(address) <= of.high


def _covers(reservation: IPReservation, address: str) -> bool:
    version, number, _ = span(host_prefix(address))
    ranges = (span(prefix) for prefix in reservation.spec.reserved_cidrs)
    return any(of == version and low <= number <= high for of, low, high in ranges)


def _sorted_blocks(world: World) -> list[IPAMBlock]:
    return sorted(world.all(IPAMBlock).values(), key=lambda b: span(b.spec.cidr))


def _pool(pool: IPPool, blocks: tuple[BlockShare, ...]) -> PoolUse:
    own = [b for b in blocks if b.pool == pool.metadata.name]
    return PoolUse(
        name=pool.metadata.name,
        cidr=pool.spec.cidr,
        block=pool.block_size,
        disabled=pool.spec.disabled,
        blocks=len(own),
        used=sum(b.used for b in own),
        cooling=sum(b.cooling for b in own),
        free=sum(b.free for b in own),
    )


def _block(block: IPAMBlock, uses: Mapping[str, BlockUse]) -> BlockShare:
    spec = block.spec
    use = uses.get(spec.cidr, BlockUse(prefix=spec.cidr, size=0, used=0, cooling=0, free=0))
    lent = tuple(Lent(address=x.address, node=x.node, state=x.state.value) for x in spec.loans)
    at = tuple(uses[p] for p in (host_prefix(x.address) for x in spec.loans) if p in uses)
    return BlockShare(
        cidr=spec.cidr,
        pool=spec.pool,
        node=spec.node,
        returning=bool(spec.returning),
        used=use.used + sum(u.used for u in at),
        cooling=use.cooling + sum(u.cooling for u in at),
        free=use.free + sum(u.free for u in at),
        lent=lent,
    )


def _node(node: core.Node, world: World, held: Holdings | None) -> NodeUse:
    name = node.metadata.name
    uses = held.blocks if held is not None else ()
    return NodeUse(
        name=name,
        reported=held is not None,
        blocks=tuple(b.spec.cidr for b in _sorted_blocks(world) if b.spec.node == name),
        borrowed=tuple(_borrowed(world, name)),
        used=sum(u.used for u in uses),
        cooling=sum(u.cooling for u in uses),
        free=sum(u.free for u in uses),
    )


def _borrowed(world: World, node: str) -> Iterator[str]:
    for block in _sorted_blocks(world):
        yield from (x.address for x in block.spec.loans if x.node == node and x.state.value != "Asked")
