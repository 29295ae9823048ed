"""NodeView -> what the node's BGP speaker says and whom it believes. Pure.

A node tells every peer its own pod prefixes, and the addresses of Services that are sent to it. It believes another
node what control says is that node's, and a router what control says is any other node's: never less specific
prefixes, never a default route, never its own prefixes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from tandem.base.addresses import FAMILIES, IPV4, family, host_prefix
from tandem.base.digest import digest
from tandem.base.secret import Secret
from tandem.compile import names
from tandem.compile.outward import routed_to
from tandem.ir.fabric import Node
from tandem.ir.network import Bgp, BgpPeer, Password
from tandem.ir.node import NodeView
from tandem.state import bgp as state


def compile_speaker(view: NodeView, passwords: Mapping[str, Secret] = MappingProxyType({})) -> state.BgpSpeaker | None:
    """None: the network is without BGP, or this node has no address yet.

    `passwords` are by the address of a peer; a session that must have one and does not is left out.
    """
    bgp = view.config.network.bgp
    if bgp is None or not view.node.addresses:
        return None
    peers = (*_mesh(view, bgp), *_routers(view, bgp, passwords))
    return state.BgpSpeaker(
        router_id=_router_id(view.node),
        as_number=bgp.as_number,
        port=bgp.port,
        announces=tuple(sorted({*view.node.prefixes, *map(host_prefix, routed_to(view))})),
        # Not beside the tunnel: a route that leads round it would send in clear.
        installs=view.config.network.encryption is None,
        peers=tuple(sorted(peers)),
    )


def _mesh(view: NodeView, bgp: Bgp) -> Iterator[state.BgpPeer]:
    for node in _others(view) if bgp.node_mesh else ():
        for version in FAMILIES:
            local, remote = _address(view.node, version), _address(node, version)
            if local and remote:
                yield state.BgpPeer(
                    name=names.bgp_session("node", f"{node.name}/{version}"),
                    title=f"node {node.name}",
                    local=local,
                    address=remote,
                    as_number=bgp.as_number,
                    port=bgp.port,
                    accepts=_of_family(node, version),
                )


def locks(view: NodeView) -> dict[str, Password]:
    """What this node's sessions need a password of, by the address of the peer."""
    peers = view.config.network.bgp.peers if view.config.network.bgp is not None else ()
    return {peer.address: peer.password for peer in peers if peer.password is not None and _is_for(peer, view.node)}


def _routers(view: NodeView, bgp: Bgp, passwords: Mapping[str, Secret]) -> Iterator[state.BgpPeer]:
    for index, peer in enumerate(bgp.peers):
        version = family(peer.address)
        local = _address(view.node, version)
        open_ = peer.password is None or peer.address in passwords
        if local and peer.address != local and open_ and _is_for(peer, view.node):
            yield state.BgpPeer(
                name=names.bgp_session("peer", peer.address),
                title=f"spec.bgp.peers[{index}]",
                local=local,
                address=peer.address,
                as_number=peer.as_number,
                port=peer.port,
                # A route reflector of our own AS may be anywhere; a router of another AS is the next hop itself.
                near=peer.as_number != bgp.as_number,
                accepts=tuple(sorted(cidr for node in _others(view) for cidr in _of_family(node, version))),
                password=passwords.get(peer.address) if peer.password is not None else None,
            )


def _is_for(peer: BgpPeer, node: Node) -> bool:
    return peer.nodes is None or node.name in peer.nodes


def _others(view: NodeView) -> list[Node]:
    return [view.nodes[name] for name in sorted(view.nodes) if name != view.node.name]


def _address(node: Node, version: int) -> str:
    return next((address for address in node.addresses if family(address) == version), "")


def _of_family(node: Node, version: int) -> tuple[str, ...]:
    return tuple(cidr for cidr in node.prefixes if family(cidr) == version)


def _router_id(node: Node) -> str:
    """Its IPv4 address, or four octets that stand for its name (RFC 6286: unique in the AS, not zero)."""
    octets = int(digest(node.name, 8), 16) | 1
    return _address(node, IPV4) or str(ipaddress.IPv4Address(octets))
