"""Domain names as peers: which patterns a name has, which a policy set asks for, what counts for old connections. Pure.

Names and patterns are lower case and without the dot at the end. `*.` at the beginning of a pattern stands for one or
more labels (policy.networking.k8s.io, DomainName).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from tandem.base.memo import same_as_before
from tandem.ir.node import NodeView
from tandem.ir.policy import Domains, PolicySet, every_rule

Learned = Mapping[str, tuple[str, ...]]
"""Pattern -> sorted addresses."""
WILDCARD: Final = "*."


def patterns_of(name: str) -> Iterator[str]:
    """Every pattern that this name matches, the exact one first: one for each label."""
    yield name
    labels = name.split(".")
    for first in range(1, len(labels)):
        yield WILDCARD + ".".join(labels[first:])


def asked_for(policy_set: PolicySet) -> frozenset[str]:
    """The patterns that the rules of a set refer to."""
    return frozenset(p for peer in names_of(policy_set) for p in peer.patterns)


def names_of(policy_set: PolicySet) -> tuple[Domains, ...]:
    """The peers of the rules of a set that are names."""
    rules = every_rule(policy_set)
    return tuple(peer for rule in rules for peer in rule.peers if isinstance(peer, Domains))


def addresses_of(peer: Domains, learned: Learned) -> frozenset[str]:
    """What a peer stands for."""
    return frozenset(address for pattern in peer.patterns for address in learned.get(pattern, ()))


def for_established(view: NodeView) -> NodeView:
    """The view by which a connection that exists is judged: what was learned once may go on after it has lapsed."""
    if not view.lapsed:
        return view
    return msgspec.structs.replace(view, learned=_joined(view.learned, view.lapsed), lapsed={})


@same_as_before
def _joined(learned: Learned, lapsed: Learned) -> dict[str, tuple[str, ...]]:
    both = learned.keys() | lapsed.keys()
    return {p: tuple(sorted({*learned.get(p, ()), *lapsed.get(p, ())})) for p in sorted(both)}
