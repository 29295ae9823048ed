"""NodeView -> the table of the node's own namespace. Pure; equal input gives an equal value.

A pod that comes or goes costs what depends on pods: the rest is compiled once for each change of nodes, configuration
or Services, and is the very same object after that (docs/design/0020).
"""

from __future__ import annotations

from typing import Final

from tandem.base.memo import same_as_before
from tandem.compile.gateways import fronted
from tandem.compile.nft.crowds import crowd_tables_of_node
from tandem.compile.nft.dispatch import fixed_chains, fixed_sets, pod_sets, policy_maps
from tandem.compile.nft.domains import learning, sets_of_patterns
from tandem.compile.nft.foreign import foreign_state, own_pods
from tandem.compile.nft.hostports import hostport_state
from tandem.compile.nft.judged import group_sets_of_node, judged
from tandem.compile.nft.services import service_state
from tandem.ir.node import NodeView
from tandem.state import nft


def compile_nft(view: NodeView) -> nft.Ruleset:
    """Anti-spoofing, policy of both sides, Services and source translation for the pods of one node."""
    own, behind = own_pods(view), foreign_state(view)
    policy = judged(own)
    rules = policy.rules
    fixed = _fixed(fronted(view))
    ports, answers = hostport_state(own), learning(view)
    crowds = crowd_tables_of_node(view.groups, policy.crowds)
    groups = group_sets_of_node(view, policy.groups)
    others = (*pod_sets(own), *sets_of_patterns(view, policy.patterns), *answers.sets)
    return nft.Ruleset(
        chains=_chains(rules.chains, fixed.chains, ports.chains, behind.chains, answers.chains),
        sets=nft.merged(groups, others, rules.sets, crowds.sets, fixed.sets, behind.sets),
        maps=nft.merged(rules.maps, tuple(policy_maps(own)), crowds.maps, fixed.maps, ports.maps),
        counters=rules.counters,
    )


_chains: Final = same_as_before(nft.merged)


@same_as_before
def _fixed(view: NodeView) -> nft.Ruleset:
    """What no pod changes."""
    services = service_state(view)
    return nft.Ruleset(
        chains=(*fixed_chains(view), *services.chains), sets=(*fixed_sets(view), *services.sets), maps=services.maps
    )
