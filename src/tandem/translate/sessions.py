"""Sessions that TrafficPolicies keep -> routes of gateways that keep them. Pure."""

from __future__ import annotations

from types import MappingProxyType

import msgspec

from tandem.model.world import World
from tandem.translate.gateway.edge import Edge
from tandem.translate.gateway.rewritten import rewritten
from tandem.translate.mesh.sessions import keeping, sessions_of
from tandem.translate.mesh.trafficpolicies import read_attachments


def keep_sessions_of_gateways(world: World, edge: Edge) -> Edge:
    """As routes of the mesh do (`mesh/sessions.py`)."""
    sessions = sessions_of(read_attachments(world))
    if not sessions:
        return edge
    gateways = {
        name: rewritten(gateway, lambda _, route: (keeping(route, sessions),))
        for name, gateway in edge.gateways.items()
    }
    return msgspec.structs.replace(edge, gateways=MappingProxyType(gateways))
