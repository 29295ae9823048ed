"""NodeView -> the node's end of the encrypted tunnel. Pure.

A peer is a node that has told its key. What is for another node is in nobody's prefixes here, has no route into the
tunnel, and so meets the unreachable route of the fabric: it is never sent in clear.
"""

from __future__ import annotations

from tandem.base.addresses import family
from tandem.compile.addresses import own_addresses
from tandem.compile.fabric.interface import others
from tandem.compile.fabric.mtu import pod_mtu
from tandem.ir.fabric import Node
from tandem.ir.node import NodeView
from tandem.state.wireguard import Tunnel, WireguardPeer


def compile_tunnel(view: NodeView) -> Tunnel | None:
    """None: the network is not encrypted, or this node has no address yet."""
    encryption = view.config.network.encryption
    if encryption is None or not view.node.addresses:
        return None
    version = family(view.node.addresses[0])
    peers = (
        WireguardPeer(
            key=key, address=_endpoint(node, version), port=encryption.port, allowed=tuple(sorted(node.prefixes))
        )
        for key, node in _heard(view).items()
    )
    return Tunnel(
        port=encryption.port,
        mtu=pod_mtu(view),
        addresses=tuple(sorted(own_addresses(view.node.pod_cidrs).values())),
        peers=tuple(sorted(peers)),
    )


def unheard(view: NodeView) -> tuple[str, ...]:
    """Nodes to which nothing can be sent: they have told no key, or another node's, or no address of our family."""
    heard = {node.name for node in _heard(view).values()}
    return tuple(str(node.name) for node in others(view) if node.name not in heard)


def _heard(view: NodeView) -> dict[str, Node]:
    """By key; a key that two nodes tell is the first one's."""
    found: dict[str, Node] = {}
    for node in others(view):
        known = node.encryption_key and node.encryption_key != view.node.encryption_key
        if known and _endpoint(node, family(view.node.addresses[0])):
            found.setdefault(node.encryption_key, node)
    return found


def _endpoint(node: Node, version: int) -> str:
    return next((address for address in node.addresses if family(address) == version), "")
