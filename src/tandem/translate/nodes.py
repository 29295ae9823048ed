"""Nodes, their blocks of pod addresses, and reservations -> ir Node by name, reserved prefixes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from tandem.base.addresses import family, host_prefix
from tandem.base.block import span
from tandem.base.ids import NodeName
from tandem.ir.fabric import Mark, Node
from tandem.model import core
from tandem.model.ipam import IPAMBlock, IPPool, IPReservation, Loan, LoanState
from tandem.model.world import World
from tandem.translate.options import Options

_KEY: Final = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")


def translate_nodes(world: World) -> dict[str, Node]:
    """Nodes by name, with the address of each family that others reach them by (InternalIP, else the first).

    Where no block says so (a cluster whose addresses others manage), spec.podCIDRs is what a node has.
    """
    blocks = sorted(world.all(IPAMBlock).values(), key=lambda b: span(b.spec.cidr))
    pools = world.sorted(IPPool)
    nodes: dict[str, Node] = {}
    for node in world.sorted(core.Node):
        name, labels = node.metadata.name, node.metadata.labels
        first = node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())
        own = [b for b in blocks if b.spec.node == name]
        more = (b.spec.cidr for b in own if b.spec.cidr not in first)
        serving = {p.metadata.name for p in pools if p.serves(labels)}
        internal = [a.address for a in node.status.addresses if a.type == "InternalIP"]
        every = internal or [a.address for a in node.status.addresses if a.type != "Hostname"]
        excluded = core.NO_BALANCER in labels
        held = excluded and node.metadata.annotations.get(core.SERVES) == core.GATEWAYS
        nodes[name] = Node(
            name=NodeName(name),
            addresses=_one_per_family(every),
            pod_cidrs=(*first, *more),
            encryption_key=_key(node.metadata.annotations.get(core.ENCRYPTION_KEY, "")),
            region=labels.get(core.REGION, ""),
            zone=labels.get(core.ZONE, ""),
            subzone=labels.get(core.SUBZONE, ""),
            announces=held or not excluded,
            leaving=held,
            ready=not any(c.type == "Ready" and c.status != "True" for c in node.status.conditions),
            families=tuple(sorted({p.version for p in pools if p.metadata.name in serving})),
            borrowed=tuple(
                loan.address for b in blocks for loan in b.spec.loans if loan.node == name and _routed(loan)
            ),
            lent=tuple(Mark(prefix=loan.address, id=loan.id) for b in own for loan in b.spec.loans),
            closed=(*_closed_blocks(own, serving), *_closed_loans(blocks, name)),
        )
    return nodes


def translate_pools(world: World) -> tuple[str, ...]:
    """The prefix of every pool, also of those that give nothing new, sorted."""
    return tuple(sorted({p.spec.cidr for p in world.all(IPPool).values()}))


def inner_prefixes(world: World, options: Options) -> tuple[str, ...]:
    """Prefixes out of which the cluster gives addresses, of Services and of pods, sorted: nothing there is outside."""
    return tuple(sorted({*options.service_cidrs, *pod_prefixes(world)}))


def pod_prefixes(world: World) -> tuple[str, ...]:
    """Those out of which pods are given addresses, sorted."""
    blocks = (block.spec.cidr for block in world.all(IPAMBlock).values())
    given = (cidr for node in world.all(core.Node).values() for cidr in (*node.spec.pod_cidrs, node.spec.pod_cidr))
    return tuple(sorted({*translate_pools(world), *blocks, *given} - {""}))


def translate_reservations(world: World) -> tuple[str, ...]:
    """Every reserved prefix, sorted."""
    return tuple(sorted({p for r in world.all(IPReservation).values() for p in r.spec.reserved_cidrs}))


def _key(text: str) -> str:
    """A public key of 32 bytes as base64; empty if it is none: then nothing is sent to that node."""
    return text if _KEY.fullmatch(text) else ""


def _routed(loan: Loan) -> bool:
    """The borrower may have a pod with the address."""
    return loan.state is not LoanState.ASKED


def _closed_blocks(own: Iterable[IPAMBlock], serving: set[str]) -> Iterable[Mark]:
    """Blocks on their way back, and those of pools that give the node nothing new; one in no pool stays open."""
    for block in own:
        if block.spec.returning or (block.spec.pool and block.spec.pool not in serving):
            yield Mark(prefix=block.spec.cidr, id=block.spec.returning)


def _closed_loans(blocks: Iterable[IPAMBlock], node: str) -> Iterable[Mark]:
    for block in blocks:
        for loan in block.spec.loans:
            if loan.node == node and loan.state is LoanState.RETURNING:
                yield Mark(prefix=host_prefix(loan.address), id=loan.id)


def _one_per_family(addresses: list[str]) -> tuple[str, ...]:
    found: dict[int, str] = {}
    for address in addresses:
        found.setdefault(family(address), address)
    return tuple(found.values())
