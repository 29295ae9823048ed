"""A node's end of the encrypted tunnel."""

from __future__ import annotations

import msgspec

from tandem.base.ids import NodeName
from tandem.compile.wireguard import compile_tunnel, unheard
from tandem.ir.fabric import Node
from tandem.ir.network import Encryption, Network
from tandem.ir.node import NodeView
from tandem.state.wireguard import Tunnel, WireguardPeer
from unit.compile.fabric.fabricviews import node, view

ENCRYPTED = Network(encryption=Encryption(port=7))


def keyed(number: int, key: str = "", address: str = "", *cidrs: str) -> Node:
    return msgspec.structs.replace(node(number, address, *cidrs), encryption_key=key or f"key-{number}")


def seen(*others: Node, network: Network = ENCRYPTED) -> NodeView:
    return view(*others, network=network)


def test_a_network_without_encryption_and_a_node_without_address_have_no_tunnel() -> None:
    assert compile_tunnel(view(keyed(2))) is None
    homeless = Node(name=NodeName("node-1"), addresses=(), pod_cidrs=())
    assert compile_tunnel(msgspec.structs.replace(seen(keyed(2)), node=homeless)) is None


def test_each_node_that_has_told_its_key_is_a_peer_for_its_prefixes() -> None:
    two = keyed(2, "", "192.0.2.2", "fd00:2::/64", "10.244.2.0/24")
    assert compile_tunnel(seen(two, node(3))) == Tunnel(
        port=7,
        mtu=1440,
        addresses=("10.244.1.1",),
        peers=(WireguardPeer(key="key-2", address="192.0.2.2", port=7, allowed=("10.244.2.0/24", "fd00:2::/64")),),
    )
    assert unheard(seen(two, node(3))) == ("node-3",)


def test_a_key_that_two_nodes_tell_is_the_first_ones_and_our_own_is_nobodys() -> None:
    shared = seen(keyed(2, "same"), keyed(3, "same"))
    tunnel = compile_tunnel(shared)
    assert tunnel is not None
    assert [peer.address for peer in tunnel.peers] == ["192.0.2.2"]
    assert unheard(shared) == ("node-3",)
    mine = msgspec.structs.replace(seen(keyed(2, "mine")), node=keyed(1, "mine"))
    assert unheard(mine) == ("node-2",)


def test_a_node_without_an_address_of_our_family_is_no_peer() -> None:
    assert unheard(seen(keyed(2, "", "2001:db8::2"))) == ("node-2",)


def test_the_node_sends_from_its_own_address_of_each_family() -> None:
    own = node(1, "192.0.2.1", "10.244.1.0/24", "10.244.9.0/24", "fd00:1::/64")
    tunnel = compile_tunnel(msgspec.structs.replace(seen(), node=own))
    assert tunnel is not None
    assert tunnel.addresses == ("10.244.1.1", "fd00:1::1")
