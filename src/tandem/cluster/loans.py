"""World and what nodes hold -> writes: single addresses of one node's block that another node may give. Pure.

ASKED (the owner stops giving the address, and says so) -> LENT (the borrower may give it; all route it there) ->
RETURNING (the borrower stops giving it, and says when it is not in use) -> no loan. A node gets loans when no pool has
a block for it, and for an address that one of its pods asks for by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import msgspec

from tandem.base.addresses import family, host_prefix
from tandem.base.block import Block, number_of
from tandem.base.digest import digest
from tandem.cluster.space import Known
from tandem.cluster.writes import Patch
from tandem.ir.holdings import Holdings
from tandem.model import core
from tandem.model.ipam import IPAMBlock, IPPool, Loan, LoanState, valid_addresses_of
from tandem.model.world import World

AHEAD: Final = 2
"""A node that no pool has a block for is lent so many addresses before it needs them."""
KEPT: Final = 2
"""So many free addresses an owner keeps of each family."""


@dataclass(slots=True)
class _Loans:
    """The loans of all blocks, being changed."""

    by_block: dict[str, list[Loan]]

    def to(self, node: str, version: int) -> list[Loan]:
        """What a node has borrowed, or is about to."""
        every = (loan for loans in self.by_block.values() for loan in loans)
        return [loan for loan in every if loan.node == node and family(loan.address) == version]

    def has(self, address: str) -> bool:
        return any(loan.address == address for loans in self.by_block.values() for loan in loans)


def lend(world: World, known: Known, starving: AbstractSet[tuple[str, int]]) -> Iterator[Patch]:
    """Patches of the blocks whose loans change; `starving` nodes want addresses of a family and get no block."""
    blocks = world.sorted(IPAMBlock)
    now = _Now(world=world, known=known, named=dict(_named(world)))
    loans = _Loans({b.metadata.name: list(now.kept(b)) for b in blocks})
    for address, node in sorted(now.named.items()):
        block = next((b for b in blocks if address in Block(b.spec.cidr)), None)
        if block is not None and block.spec.node != node and not loans.has(address):
            loans.by_block[block.metadata.name].append(_loan(address, node, known.seed))
    for node, version in sorted(starving):
        for name, address in _spare(world, known.holdings, loans, (node, version)):
            loans.by_block[name].append(_loan(address, node, known.seed))
    for block in blocks:
        wanted = tuple(sorted(loans.by_block[block.metadata.name], key=lambda one: number_of(one.address)))
        if wanted != block.spec.loans:
            raw = [msgspec.to_builtins(loan) for loan in wanted]
            yield Patch(kind="IPAMBlock", namespace="", name=block.metadata.name, patch={"spec": {"loans": raw}})


def _named(world: World) -> Iterator[tuple[str, str]]:
    """(address, node) for each address that a pod asks for by name."""
    for _, pod in sorted(world.asking.items()):
        if pod.spec.node_name:
            yield from ((address, pod.spec.node_name) for address in valid_addresses_of(pod))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Now:
    """What the next state of a loan depends on."""

    world: World
    known: Known
    named: Mapping[str, str]

    def kept(self, block: IPAMBlock) -> Iterator[Loan]:
        """The block's loans, each a step on or as it was, without those that end."""
        for loan in block.spec.loans:
            state = self._next(loan, block)
            if state is loan.state:
                yield loan
            elif state is not None:
                yield _at(loan, state, self.known.seed)

    def _next(self, loan: Loan, block: IPAMBlock) -> LoanState | None:
        owner, borrower = self.known.holdings.get(block.spec.node), self.known.holdings.get(loan.node)
        needed = self.named.get(loan.address) == loan.node
        if loan.node in self.known.gone:
            pod = self.world.pod_at(loan.address)
            return None if pod is None else loan.state
        match loan.state:
            case LoanState.ASKED:
                if owner is not None and loan.id in owner.agreed:
                    return LoanState.LENT
                refused = owner is None or loan.id in owner.declined
                return None if refused and not needed else LoanState.ASKED
            case LoanState.LENT:
                idle = borrower is not None and _can_spare(borrower, loan)
                return LoanState.RETURNING if idle and not needed else LoanState.LENT
            case LoanState.RETURNING:
                back = borrower is not None and loan.id in borrower.returned
                return None if back else (LoanState.LENT if needed else LoanState.RETURNING)


def _can_spare(borrower: Holdings, loan: Loan) -> bool:
    """True if the borrower has had no use for it, and would not want another address at once."""
    version = family(loan.address)
    return host_prefix(loan.address) in borrower.idle and borrower.free(version) - 1 > borrower.low.get(version, 0)


def _spare(
    world: World, holdings: Mapping[str, Holdings], loans: _Loans, wants: tuple[str, int]
) -> Iterator[tuple[str, str]]:
    """(block, address) of what others can spare for a node, so that it has AHEAD addresses to give."""
    node, version = wants
    report = holdings.get(node)
    found = world.get(core.Node, "", node)
    if report is None or found is None:
        return
    seen = {b.prefix for b in report.blocks}
    coming = sum(1 for loan in loans.to(node, version) if host_prefix(loan.address) not in seen)
    missing = AHEAD - report.free(version) - coming
    serving = {p.metadata.name for p in world.all(IPPool).values() if p.serves(found.metadata.labels)}
    blocks = [b for b in world.sorted(IPAMBlock) if b.spec.pool in serving and not b.spec.returning]
    owners = sorted((o for o in holdings if o != node), key=lambda o: (-holdings[o].free(version), o))
    for owner in owners:
        left = holdings[owner].free(version) - KEPT
        for address in (a for a in holdings[owner].spare if family(a) == version):
            block = next((b for b in blocks if b.spec.node == owner and address in Block(b.spec.cidr)), None)
            if missing <= 0 or left <= 0:
                break
            if block is not None and not loans.has(address):
                missing, left = missing - 1, left - 1
                yield block.metadata.name, address


def _loan(address: str, node: str, seed: str) -> Loan:
    return _at(Loan(address=address, node=node), LoanState.ASKED, seed)


def _at(loan: Loan, state: LoanState, seed: str) -> Loan:
    return msgspec.structs.replace(loan, state=state, id=digest(f"{seed}/{loan.address}/{state.value}", 12))
