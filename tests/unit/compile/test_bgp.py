"""What a node's BGP speaker says and believes."""

from __future__ import annotations

import ipaddress

import msgspec

from tandem.base.ids import NodeName
from tandem.base.secret import Secret
from tandem.compile.bgp import compile_speaker, locks
from tandem.ir.fabric import Node, Service
from tandem.ir.network import Bgp, BgpPeer, Encryption, Network, Password
from tandem.ir.node import NodeView
from tandem.state.bgp import BgpSpeaker
from unit.compile.fabric.fabricviews import node, view

MESH = Network(bgp=Bgp(as_number=64512))
ROUTER = BgpPeer(address="192.0.2.254", as_number=65000, port=1179)


def speaker(*others: Node, network: Network = MESH) -> BgpSpeaker:
    found = compile_speaker(view(*others, network=network))
    assert found is not None
    return found


def with_bgp(**parts: object) -> Network:
    return Network(bgp=msgspec.structs.replace(Bgp(as_number=64512), **parts))


def test_a_network_without_bgp_and_a_node_without_address_have_no_speaker() -> None:
    assert compile_speaker(view(node(2))) is None
    homeless = msgspec.structs.replace(
        view(node(2), network=MESH), node=Node(name=NodeName("a"), addresses=(), pod_cidrs=())
    )
    assert compile_speaker(homeless) is None


def test_the_mesh_has_a_session_with_each_other_node_which_may_tell_what_is_its_own() -> None:
    found = speaker(node(2), node(3))
    assert found.announces == ("10.244.1.0/24",)
    assert [
        (p.title, p.local, p.address, p.as_number, p.near, p.accepts)
        for p in sorted(found.peers, key=lambda p: p.title)
    ] == [
        ("node node-2", "192.0.2.1", "192.0.2.2", 64512, True, ("10.244.2.0/24",)),
        ("node node-3", "192.0.2.1", "192.0.2.3", 64512, True, ("10.244.3.0/24",)),
    ]


def test_nodes_of_both_families_have_a_session_for_each() -> None:
    both = msgspec.structs.replace(
        node(2), addresses=("192.0.2.2", "2001:db8::2"), pod_cidrs=("10.244.2.0/24", "fd00:2::/64")
    )
    own = msgspec.structs.replace(node(1), addresses=("192.0.2.1", "2001:db8::1"))
    seen = msgspec.structs.replace(view(both, network=MESH), node=own)
    found = compile_speaker(seen)
    assert found is not None
    assert {(p.local, p.address, p.accepts) for p in found.peers} == {
        ("192.0.2.1", "192.0.2.2", ("10.244.2.0/24",)),
        ("2001:db8::1", "2001:db8::2", ("fd00:2::/64",)),
    }
    assert len({p.name for p in found.peers}) == 2


def test_without_the_mesh_only_routers_are_peers_and_may_tell_what_is_any_other_nodes() -> None:
    [peer] = speaker(node(2), node(3), network=with_bgp(node_mesh=False, peers=(ROUTER,))).peers
    assert (peer.title, peer.address, peer.port, peer.as_number) == ("spec.bgp.peers[0]", "192.0.2.254", 1179, 65000)
    assert peer.accepts == ("10.244.2.0/24", "10.244.3.0/24")
    assert peer.near


def test_a_reflector_of_our_own_as_may_be_behind_routers() -> None:
    reflector = BgpPeer(address="198.51.100.1", as_number=64512)
    [peer] = speaker(network=with_bgp(node_mesh=False, peers=(reflector,))).peers
    assert not peer.near


def test_a_peer_is_for_the_nodes_that_were_selected_and_never_for_itself() -> None:
    def peers(*nodes: str) -> int:
        chosen = tuple(NodeName(n) for n in nodes)
        return len(speaker(network=with_bgp(peers=(msgspec.structs.replace(ROUTER, nodes=chosen),))).peers)

    assert [peers("node-1"), peers("node-2", "node-1"), peers("node-2"), peers()] == [1, 1, 0, 0]
    itself = BgpPeer(address="192.0.2.1", as_number=64512)
    assert speaker(network=with_bgp(peers=(itself,))).peers == ()


def test_addresses_of_services_are_told_by_the_node_that_answers_for_them() -> None:
    service = Service(namespace="shop", name="web", cluster_ips=("10.96.0.7",), ports=(), balancer_ips=("203.0.113.7",))
    told = []
    for own in (node(1), node(2)):
        seen = msgspec.structs.replace(view(node(2), network=MESH), node=own, services={"shop/web": service})
        found = compile_speaker(seen)
        assert found is not None
        told += [prefix for prefix in found.announces if prefix.startswith("203.")]
    assert told == ["203.0.113.7/32"]


def test_a_node_without_ipv4_has_a_router_id_of_its_own() -> None:
    ids = set()
    for number in (1, 2):
        own = msgspec.structs.replace(node(number), addresses=(f"2001:db8::{number}",))
        seen: NodeView = msgspec.structs.replace(view(network=MESH), node=own)
        found = compile_speaker(seen)
        assert found is not None
        ids.add(ipaddress.IPv4Address(found.router_id))
    assert len(ids) == 2
    assert ipaddress.IPv4Address(0) not in ids


def test_beside_the_tunnel_the_speaker_makes_no_routes() -> None:
    encrypted = msgspec.structs.replace(MESH, encryption=Encryption())
    assert (speaker(node(2)).installs, speaker(node(2), network=encrypted).installs) == (True, False)


def test_a_session_that_must_have_a_password_is_left_out_without_it() -> None:
    password = Password(source="net/bgp", key="router", version="1")
    locked = msgspec.structs.replace(ROUTER, password=password)
    seen = view(node(2), network=with_bgp(node_mesh=False, peers=(locked, BgpPeer(address="192.0.2.9", as_number=1))))
    assert locks(seen) == {ROUTER.address: password}
    for passwords, addresses in (({}, ["192.0.2.9"]), ({ROUTER.address: Secret(b"w")}, ["192.0.2.254", "192.0.2.9"])):
        found = compile_speaker(seen, passwords)
        assert found is not None
        assert sorted(peer.address for peer in found.peers) == addresses
