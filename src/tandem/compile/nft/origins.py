"""Chain or NFLOG prefix -> the policies behind it. Pure."""

from __future__ import annotations

from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft.chains import log_prefix, used_sets
from tandem.ir.node import NodeView


def origins(view: NodeView) -> dict[str, tuple[Origin, ...]]:
    """Who isolates the pods that a chain judges, by the chain's name and by the prefix of its log messages."""
    found: dict[str, tuple[Origin, ...]] = {}
    for policy_set in used_sets(view):
        found[names.set_chain(policy_set.id)] = policy_set.isolated_by
        found[log_prefix(policy_set)] = policy_set.isolated_by
    return found
