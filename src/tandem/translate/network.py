"""The object `Network default` -> what every node must know of it. Pure."""

from __future__ import annotations

from typing import Final

from tandem.base.ids import NodeName
from tandem.ir.network import Bgp, BgpPeer, Encryption, Network, Vxlan
from tandem.model import core
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
        bgp=_bgp(spec.bgp, world) if spec.bgp is not None else None,
        encryption=Encryption(port=spec.encryption.port) if spec.encryption is not None else None,
        origin=found.origin(),
    )


def _bgp(spec: model.BgpSpec, world: World) -> Bgp:
    peers = tuple(
        BgpPeer(address=peer.address, as_number=peer.as_number, port=peer.port, nodes=_nodes(peer, world))
        for peer in spec.peers
    )
    return Bgp(as_number=spec.as_number, node_mesh=spec.node_mesh, port=spec.port, peers=peers)


def _nodes(peer: model.BgpPeerSpec, world: World) -> tuple[NodeName, ...] | None:
    if not peer.node_selector:
        return None
    wanted = peer.node_selector.items()
    return tuple(NodeName(n.metadata.name) for n in world.sorted(core.Node) if wanted <= n.metadata.labels.items())
