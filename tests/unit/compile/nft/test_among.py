"""What nodes send each other, followed by the tracer: nobody's Service and nobody's host port gets it."""

from __future__ import annotations

import msgspec
import pytest

from builders import endpoint_slice, pod, service, world
from nfttrace import LOCAL, Packet, trace
from nodeviews import attached, ifname_of, node, view_of
from tandem.compile.nft.among import among_sets, between_sets, by_address, not_translated
from tandem.compile.nft.families import V4
from tandem.compile.nft.node import compile_nft
from tandem.ir.network import Bgp, BgpPeer, Encryption, Network
from tandem.ir.node import NodeView, PortMapping

NODE, OTHER, ROUTER, OUTSIDE = "192.168.0.1", "192.168.0.2", "192.168.0.254", "192.168.0.9"
POD = pod("a", ip="10.244.0.2")
NETWORKS = {
    "vxlan": (Network(fabric="vxlan"), "udp", 4789),
    "wireguard": (Network(encryption=Encryption()), "udp", 51820),
    "bgp": (Network(bgp=Bgp(as_number=64512, peers=(BgpPeer(address=ROUTER, as_number=64999),))), "tcp", 179),
}


def view(network: Network, *mappings: PortMapping, ports: tuple[tuple[str, int], ...] = ()) -> NodeView:
    """A node and another one; a Service calls all their addresses external, and a pod may have host ports."""
    named = [{"name": f"p{i}", "port": port, "protocol": p.upper()} for i, (p, port) in enumerate(ports)]
    thief = service("a", ip="10.96.0.99", ports=named, externalIPs=[NODE, OTHER, ROUTER])
    made = view_of(world(POD, thief, endpoint_slice(thief, [POD])) if ports else world(POD))
    return msgspec.structs.replace(
        made,
        pods=(msgspec.structs.replace(attached(POD), port_mappings=mappings),),
        nodes={"node-2": node("node-2", "10.245.0.0/24")},
        config=msgspec.structs.replace(made.config, network=network),
    )


def led(made: NodeView, packet: Packet) -> str:
    def route(address: str) -> str:
        return ifname_of(POD) if address == POD.addresses[0] else LOCAL if address == NODE else "eth0"

    return trace(compile_nft(made), packet, route=route).packet.daddr


@pytest.mark.parametrize("kind", NETWORKS)
def test_no_service_is_sent_what_nodes_send_each_other(kind: str) -> None:
    network, protocol, port = NETWORKS[kind]
    arrives = Packet(saddr=OTHER, daddr=NODE, protocol=protocol, dport=port, iifname="eth0")
    leaves = Packet(saddr=NODE, daddr=OTHER, protocol=protocol, dport=port)
    for packet in (arrives, leaves):
        assert led(view(network, ports=((protocol, port),)), packet) == packet.daddr
        assert led(view(Network(), ports=((protocol, port),)), packet) == POD.addresses[0]


@pytest.mark.parametrize("kind", NETWORKS)
def test_no_host_port_is_sent_it_either(kind: str) -> None:
    network, protocol, port = NETWORKS[kind]
    mapping = PortMapping(host_port=port, container_port=80, protocol=protocol)
    packet = Packet(saddr=OTHER, daddr=NODE, protocol=protocol, dport=port, iifname="eth0")
    assert led(view(network, mapping), packet) == NODE
    assert led(view(Network(), mapping), packet) == POD.addresses[0]


def test_what_a_node_sends_its_router_stays_its_own() -> None:
    network, protocol, port = NETWORKS["bgp"]
    packet = Packet(saddr=NODE, daddr=ROUTER, protocol=protocol, dport=port)
    assert led(view(network, ports=((protocol, port),)), packet) == ROUTER


def test_a_tunnel_with_keys_believes_nobody_by_the_address() -> None:
    network, protocol, port = NETWORKS["wireguard"]
    assert by_address(network) == ()
    assert not list(among_sets(view(network), V4))
    assert (NODE, protocol, port) in between_sets(view(network))[0].elements


def test_without_any_of_them_there_is_no_rule() -> None:
    assert (not_translated(Network()), between_sets(view(Network()))) == ((), ())
