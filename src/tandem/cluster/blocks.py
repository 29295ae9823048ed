"""World and what nodes hold -> writes: who has which block of the pools, and who must part with one. Pure.

A node gets a block of each family of its pools, another when it runs low, and gives back those beyond the first that
have been idle: the block is marked first, and goes when the node has answered that nothing of it is in use. Blocks of a
Node that no longer exists stay until it has been away for the grace period and no pod has an address in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from tandem.base.addresses import HOST_BITS, family
from tandem.base.block import Block, span
from tandem.base.digest import digest
from tandem.cluster.loans import lend
from tandem.cluster.networks import PODS, PodNetwork
from tandem.cluster.nodes import first_pools, own_prefixes
from tandem.cluster.space import Known, Space
from tandem.cluster.writes import Create, Patch, Write, delete
from tandem.model import core
from tandem.model.ipam import IPAMBlock, IPPool, valid_addresses_of
from tandem.model.world import World

SPARE: Final = 2
"""A block goes back only if the node keeps as many free addresses as would make it ask again, times this."""


def share_out(world: World, known: Known, pods: PodNetwork = PODS) -> tuple[Write, ...]:
    """Every write about pools, blocks and loans."""
    if not world.all(IPPool):
        return tuple(first_pools(pods))
    space = Space(world)
    writes: list[Write] = []
    starving: set[tuple[str, int]] = set()
    for node in world.sorted(core.Node):
        writes += _adopted(world, node, space)
        writes += _restored(world, node, known, space)
    if writes:
        return tuple(writes)  # before anybody else gets a part of them
    # A block that somebody has deleted may be one that a node still holds and has not told of yet.
    held = _by_node(world)
    for node in world.sorted(core.Node) if not known.awaited else ():
        writes += _grown(world, node, known, space, starving, held.get(node.metadata.name, ()))
    if writes:
        return tuple(writes)  # what follows judges by the blocks that there are
    return (*_returned(world, known, space, held), *_orphans(world, known), *lend(world, known, starving))


def _by_node(world: World) -> dict[str, tuple[IPAMBlock, ...]]:
    """The blocks of each node, sorted by name."""
    found: dict[str, tuple[IPAMBlock, ...]] = {}
    for block in world.sorted(IPAMBlock):
        found[block.spec.node] = (*found.get(block.spec.node, ()), block)
    return found


def absent(world: World, heard: AbstractSet[str] = frozenset()) -> frozenset[str]:
    """Nodes that hold blocks or borrow addresses and do not exist.

    One whose agent is `heard` is there, whatever became of its Node: containers that are no Pods live on there.
    """
    names = {n.metadata.name for n in world.all(core.Node).values()}
    blocks = world.all(IPAMBlock).values()
    return frozenset({b.spec.node for b in blocks} | {a.node for b in blocks for a in b.spec.loans}) - names - heard


def holders(world: World) -> frozenset[str]:
    """Nodes that have addresses to give, as far as the API tells."""
    own = {n.metadata.name for n in world.all(core.Node).values() if own_prefixes(n)}
    return frozenset(own | {b.spec.node for b in world.all(IPAMBlock).values()})


def block_name(prefix: str) -> str:
    """The name of the object: no two blocks of one prefix can be made."""
    return prefix.replace(".", "-").replace(":", "-").replace("/", "-").strip("-")


def _create(node: core.Node, pool: str, prefix: str) -> Create:
    spec = {"cidr": prefix, "pool": pool, "node": node.metadata.name}
    metadata = {"name": block_name(prefix)}
    return Create(raw={"apiVersion": "tandem.io/v1", "kind": "IPAMBlock", "metadata": metadata, "spec": spec})


def _adopted(world: World, node: core.Node, space: Space) -> Iterator[Create]:
    """What the Node says that it has, and no block says."""
    held = world.all(IPAMBlock).values()
    for prefix in own_prefixes(node):
        _, low, high = span(prefix)
        if any(family(b.spec.cidr) == family(prefix) and _overlap(span(b.spec.cidr)[1:], (low, high)) for b in held):
            continue
        pool = next((p.metadata.name for p in world.sorted(IPPool) if p.holds(prefix)), "")
        space.occupy(prefix)
        yield _create(node, pool, prefix)


def _restored(world: World, node: core.Node, known: Known, space: Space) -> Iterator[Create]:
    """Blocks that somebody deleted while addresses of them are in use."""
    report = known.holdings.get(node.metadata.name)
    if report is None:
        return
    blocks = tuple(Block(b.spec.cidr) for b in world.all(IPAMBlock).values())
    first = own_prefixes(node)  # these are adopted
    used = (b.prefix for b in report.blocks if b.size > 1 and (b.used or b.cooling) and b.prefix not in first)
    for prefix in used:
        _, low, high = span(prefix)
        if not any(_overlap(span(b.prefix)[1:], (low, high)) for b in blocks if b.family == family(prefix)):
            space.occupy(prefix)
            pool = next((p.metadata.name for p in world.sorted(IPPool) if p.holds(prefix)), "")
            yield _create(node, pool, prefix)
    for address in report.strays:
        if not any(address in block for block in blocks) and (found := space.take_around(node, address)):
            yield _create(node, *found)


def _grown(
    world: World,
    node: core.Node,
    known: Known,
    space: Space,
    starving: set[tuple[str, int]],
    own: Sequence[IPAMBlock],
) -> Iterator[Write]:
    """The first block of each family, those around addresses that pods ask for, and another where it runs low."""
    has = {b.version for b in own} | set(map(family, own_prefixes(node)))
    for address in _wanted_here(world, node):
        around = space.take_around(node, address)
        if around is not None:
            yield _create(node, *around)
    report = known.holdings.get(node.metadata.name)
    shown = {b.prefix for b in report.blocks if not b.closed} if report is not None else set()
    for version in HOST_BITS:
        pools = {p.metadata.name for p in space.pools_for(node, version)}
        if version not in has:
            wants = bool(pools)
        else:
            # What the report says of its need counts once it knows of every block that it may give out of.
            mine = [b for b in own if b.version == version and b.spec.pool in pools]
            seen = all(b.spec.cidr in shown for b in mine if not b.spec.returning)
            wants = report is not None and version in report.wants and seen
            closed = next((b for b in mine if b.spec.returning), None)
            if wants and closed is not None:
                yield _patch(closed, {"returning": None})
                continue
        if not wants:
            continue
        found = space.take(node, version)
        if found is not None:
            yield _create(node, *found)
        else:
            starving.add((node.metadata.name, version))


def _wanted_here(world: World, node: core.Node) -> Iterator[str]:
    for _, pod in sorted(world.asking.items()):
        if pod.spec.node_name == node.metadata.name:
            yield from valid_addresses_of(pod)


def _returned(world: World, known: Known, space: Space, held: Mapping[str, tuple[IPAMBlock, ...]]) -> Iterator[Write]:
    """Idle blocks beyond the first, one at a time: marked, then deleted once the node has let go."""
    for node in world.sorted(core.Node):
        report = known.holdings.get(node.metadata.name)
        if report is None:
            continue
        first = set(own_prefixes(node))
        own = [b for b in held.get(node.metadata.name, ()) if b.spec.cidr not in first]
        yield from (delete(b) for b in own if b.spec.returning in report.returned and not b.spec.loans)
        for version in HOST_BITS:
            mine = [b for b in own if b.version == version]
            if any(b.spec.returning for b in mine):
                continue
            counts = {c.prefix: c for c in report.blocks}
            for block in mine:
                idle = block.spec.cidr in report.idle and not block.spec.loans
                served = any(p.metadata.name == block.spec.pool for p in space.pools_for(node, version))
                count = counts.get(block.spec.cidr)
                left = report.free(version) - (count.free if count is not None else 0)
                if idle and (not served or left > SPARE * report.low.get(version, 0)):
                    yield _patch(block, {"returning": digest(f"{known.seed}/{block.metadata.name}", 12)})
                    break


def _orphans(world: World, known: Known) -> Iterator[Write]:
    """Blocks of nodes that are gone for good."""
    for block in world.sorted(IPAMBlock) if known.gone else ():
        if block.spec.node in known.gone and not block.spec.loans and not any(_inside(block, a) for a in world.claims):
            yield delete(block)


def _inside(block: IPAMBlock, address: str) -> bool:
    version, low, high = span(block.spec.cidr)
    return family(address) == version and _overlap(span(address)[1:], (low, high))


def _overlap(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _patch(block: IPAMBlock, spec: dict[str, object]) -> Patch:
    return Patch(kind="IPAMBlock", namespace="", name=block.metadata.name, patch={"spec": spec})
