"""The object `Network default` -> what every node must know of it. Pure."""

from __future__ import annotations

from typing import Final

from tandem.ir.network import Network, Vxlan
from tandem.model import network as model
from tandem.model.world import World

NAME: Final = "default"


def translate_network(world: World) -> Network:
    """The defaults where there is no such object."""
    found = world.get(model.Network, "", NAME)
    if found is None:
        return Network()
    spec = found.spec
    return Network(
        fabric=spec.fabric or "routed",
        mtu=spec.mtu,
        vxlan=Vxlan(vni=spec.vxlan.vni, port=spec.vxlan.port),
        origin=found.origin(),
    )
