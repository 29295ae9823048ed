"""NodeView -> the table of the node's own namespace. Pure; equal input gives an equal value."""

from __future__ import annotations

from tandem.compile.nft.chains import group_sets, policy_chain, used_sets
from tandem.compile.nft.dispatch import base_chains, pod_sets, policy_maps
from tandem.compile.nft.hostports import hostport_state
from tandem.compile.nft.services import service_state
from tandem.ir.node import NodeView
from tandem.state import nft


def compile_nft(view: NodeView) -> nft.Ruleset:
    """Anti-spoofing, policy of both sides, Services and source translation for the pods of one node."""
    used = used_sets(view)
    services = service_state(view)
    ports = hostport_state(view)
    return nft.ruleset(
        chains=(*base_chains(view), *(policy_chain(s) for s in used), *services.chains, *ports.chains),
        sets=(
            *pod_sets(view),
            *group_sets(view, used),
            *services.sets,
        ),
        maps=(*policy_maps(view), *services.maps, *ports.maps),
    )
