"""Chain, NFLOG prefix or counter -> the rules behind it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import msgspec

from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft.chains import log_prefix, rule_prefix
from tandem.compile.nft.judged import preview_of, used_sets
from tandem.ir.node import NodeView
from tandem.ir.policy import PolicySet, Rule, Side, Verdict, every_rule


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
    """Who denies, by the prefix of log messages and by the chain of a policy set: a rule, or those that isolate.

    A prefix for which `names.is_staged` holds tells what would be denied: by the policies that are staged.
    """
    found: dict[str, tuple[Origin, ...]] = {}
    for policy_set, isolating, staged in _judging(view):
        found[names.set_chain(policy_set.id, staged=staged)] = isolating
        found[log_prefix(policy_set, staged=staged)] = isolating
        for rule in _of(policy_set, Verdict.DENY):
            found[rule_prefix(rule, policy_set.side, staged=staged)] = (rule.origin,)
    return found


def _judging(view: NodeView) -> Iterator[tuple[PolicySet, tuple[Origin, ...], bool]]:
    """Every set with those that isolate by it, and whether it only tells; then those that are staged."""
    for policy_set in used_sets(view):
        yield policy_set, policy_set.isolated_by, False
        preview = preview_of(view, policy_set)
        if preview is not None:
            more = tuple(o for o in preview.isolated_by if o not in policy_set.isolated_by)
            yield preview, more or preview.isolated_by, True


def counters(view: NodeView) -> dict[str, Count]:
    """Name of a counter of the node's table -> what it counts."""
    found: dict[str, Count] = {}
    for policy_set, isolating, staged in _judging(view):
        side, denies = policy_set.side, Counts.STAGED if staged else Counts.DENIED
        if isolating:
            name = names.denied(policy_set.isolated_by, staged=staged)
            found[name] = Count(what=denies, side=side, origins=isolating)
        for rule in _of(policy_set, Verdict.DENY):
            name = names.denied((rule.origin,), staged=staged)
            found[name] = Count(what=denies, side=side, origins=(rule.origin,))
        for rule in () if staged else _of(policy_set, Verdict.ACCEPT):
            found[names.allowed(rule.origin)] = Count(what=Counts.ALLOWED, side=side, origins=(rule.origin,))
    return found


def _of(policy_set: PolicySet, verdict: Verdict) -> Iterator[Rule]:
    return (rule for rule in every_rule(policy_set) if rule.verdict is verdict)
