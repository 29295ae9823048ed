"""Domains peers -> named sets with the addresses that their names have now. Pure.

As with groups of pods, an address that is learned is an element and not a rule. Elements have no time of their own in
the kernel: what is open stays open while the agent is away (docs/design/0029).
"""

from __future__ import annotations

from tandem.base.addresses import family as version
from tandem.base.memo import each_as_before
from tandem.compile import names
from tandem.compile.nft.families import FAMILIES
from tandem.ir.domains import addresses_of
from tandem.ir.node import NodeView
from tandem.ir.policy import Domains, PolicySet
from tandem.state import nft


def domain_sets(view: NodeView, used: tuple[PolicySet, ...]) -> list[nft.Set]:
    """One set per family for each Domains peer that a used policy set refers to; a name not known yet has nothing."""
    peers = {peer.patterns: peer for found in _peers(used) for peer in found}
    return [
        nft.Set(
            name=names.domain_set(peer.patterns, family.version),
            type=(family.type,),
            elements=frozenset((a,) for a in addresses_of(peer, view.learned) if version(a) == family.version),
        )
        for _, peer in sorted(peers.items())
        for family in FAMILIES
    ]


@each_as_before
def _peers(policy_set: PolicySet) -> tuple[Domains, ...]:
    rules = (*policy_set.admin, *policy_set.rules, *policy_set.baseline)
    return tuple(peer for rule in rules for peer in rule.peers if isinstance(peer, Domains))
