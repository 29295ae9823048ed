"""The object `Network default` -> what every node must know of it. Pure."""

from __future__ import annotations

from typing import Final

from tandem.base.ids import NodeName
from tandem.ir.network import Bgp, BgpPeer, Encryption, Network, Password, Vxlan
from tandem.model import core
from tandem.model import network as model
from tandem.model.world import World

NAME: Final = "default"
LEAVE: Final = "Leave"
"""spec.hostFirewall: chains of others are left alone."""


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
        fast_path=spec.fast_path,
        opens_firewalls=spec.host_firewall != LEAVE,
        origin=found.origin(),
    )


def _bgp(spec: model.BgpSpec, world: World) -> Bgp:
    peers = tuple(
        BgpPeer(
            address=peer.address,
            as_number=peer.as_number,
            port=peer.port,
            nodes=_nodes(peer, world),
            password=_password(peer.password_secret_ref, world) if peer.password_secret_ref else None,
        )
        for peer in spec.peers
    )
    return Bgp(as_number=spec.as_number, node_mesh=spec.node_mesh, port=spec.port, peers=peers)


def passwords_for(world: World, node: str) -> dict[str, str]:
    """The passwords, as base64, of the sessions that a node may have, by the address of the peer."""
    found = world.get(model.Network, "", NAME)
    peers = found.spec.bgp.peers if found is not None and found.spec.bgp is not None else ()
    told = {}
    for peer in peers:
        nodes, ref = _nodes(peer, world), peer.password_secret_ref
        if ref is not None and (nodes is None or node in nodes):
            secret = world.get(core.Secret, ref.namespace, ref.name)
            if secret is not None and ref.key in secret.data:
                told[peer.address] = secret.data[ref.key]
    return told


def _password(ref: model.PasswordRef, world: World) -> Password:
    secret = world.get(core.Secret, ref.namespace, ref.name)
    there = secret is not None and ref.key in secret.data
    version = secret.metadata.resource_version if secret is not None and there else ""
    return Password(source=f"{ref.namespace}/{ref.name}", key=ref.key, version=version)


def _nodes(peer: model.BgpPeerSpec, world: World) -> tuple[NodeName, ...] | None:
    if not peer.node_selector:
        return None
    wanted = peer.node_selector.items()
    return tuple(NodeName(n.metadata.name) for n in world.sorted(core.Node) if wanted <= n.metadata.labels.items())
