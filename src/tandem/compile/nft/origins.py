"""Chain, NFLOG prefix or counter -> the rules behind it. Pure."""

from __future__ import annotations

from enum import Enum

import msgspec

from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft.chains import log_prefix, used_sets
from tandem.ir.node import NodeView
from tandem.ir.policy import PolicySet, Rule, Side, Verdict


class Counts(Enum):
    """What a counter counts."""

    ALLOWED = "allowed"
    """New connections that a rule allowed."""
    DENIED = "denied"
    """Packets that a rule, or isolation, denied."""
    STAGED = "staged"
    """First packets that went on, and that a staged policy would have denied."""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """What the number of a counter (`NftDriver.counted`) says."""

    what: Counts
    side: Side
    origins: tuple[Origin, ...]
    """The rule; for a denial by isolation each policy that isolates."""


def origins(view: NodeView) -> dict[str, tuple[Origin, ...]]:
    """Who isolates the pods that a chain judges, by the chain's name and by the prefix of its log messages."""
    found: dict[str, tuple[Origin, ...]] = {}
    for policy_set in used_sets(view):
        found[names.set_chain(policy_set.id)] = policy_set.isolated_by
        found[log_prefix(policy_set)] = policy_set.isolated_by
    return found


def counters(view: NodeView) -> dict[str, Count]:
    """Name of a counter of the node's table -> what it counts."""
    found: dict[str, Count] = {}
    for policy_set in used_sets(view):
        for rule in _allowing(policy_set):
            name = names.allowed(rule.origin)
            found[name] = Count(what=Counts.ALLOWED, side=policy_set.side, origins=(rule.origin,))
    return found


def _allowing(policy_set: PolicySet) -> list[Rule]:
    rules = (*policy_set.admin, *policy_set.rules, *policy_set.baseline)
    return [rule for rule in rules if rule.verdict is Verdict.ACCEPT]
