"""Base chains and maps of the node, followed by the tracer."""

from __future__ import annotations

import ipaddress

import msgspec

from builders import pod, policy, world
from nfttrace import Packet, trace
from nodeviews import GATEWAY, ifname_of, node, routes, view_of
from tandem.compile.nft.dispatch import fixed_chains, fixed_sets, pod_sets, policy_maps
from tandem.compile.nft.node import compile_nft
from tandem.ir.fabric import Node
from tandem.ir.network import Bgp, BgpPeer, Encryption, Network, Vxlan
from tandem.state import nft
from tandem.state.ownership import ENVOY_MARK

WEB = pod("web", ip="10.244.0.2", app="web")
CLIENT = pod("client", ip="10.244.0.3")
CLOSED = policy(podSelector={"matchLabels": {"app": "web"}}, policyTypes=["Ingress", "Egress"])
WORLD = world(WEB, CLIENT, CLOSED)
TABLE = compile_nft(view_of(WORLD))
TO_WEB = Packet(saddr="10.244.0.3", daddr="10.244.0.2", dport=80, iifname=ifname_of(CLIENT))


def _verdict(packet: Packet) -> str:
    return trace(TABLE, packet, route=routes(WORLD)).verdict


def test_a_pod_cannot_use_another_address() -> None:
    spoofed = msgspec.structs.replace(TO_WEB, daddr="192.0.2.1", saddr="10.244.0.2")
    assert _verdict(spoofed) == "drop"
    assert _verdict(msgspec.structs.replace(spoofed, saddr="10.244.0.3")) == "accept"
    assert _verdict(msgspec.structs.replace(spoofed, saddr="fd00::9", daddr="fd00::1")) == "drop"


def test_with_encryption_what_another_nodes_pods_send_comes_by_the_tunnel_alone() -> None:
    view = view_of(WORLD)
    nodes: dict[str, Node] = {view.node.name: view.node, "node-2": node("node-2", "10.245.0.0/24", "fd00:2::/64")}
    from_there = Packet(saddr="10.245.0.9", daddr="10.244.0.3", iifname="eth0")
    verdicts = []
    for encryption in (None, Encryption()):
        network = msgspec.structs.replace(view.config.network, encryption=encryption)
        config = msgspec.structs.replace(view.config, network=network)
        table = compile_nft(msgspec.structs.replace(view, nodes=nodes, config=config))
        packets = (
            from_there,
            msgspec.structs.replace(from_there, saddr="fd00:2::9", daddr="fd00::3"),
            msgspec.structs.replace(from_there, iifname="wgtd12345678"),
            msgspec.structs.replace(from_there, saddr="192.0.2.9"),
        )
        verdicts += [trace(table, packet, route=routes(WORLD)).verdict for packet in packets]
    assert verdicts == ["accept"] * 4 + ["drop", "drop", "accept", "accept"]


OTHER_NODE = node("node-2", "10.245.0.0/24")
NODE, OTHER = view_of(WORLD).node.addresses[0], OTHER_NODE.addresses[0]


def _between(network: Network, packet: Packet) -> str:
    view = view_of(WORLD)
    nodes: dict[str, Node] = {view.node.name: view.node, "node-2": OTHER_NODE}
    config = msgspec.structs.replace(view.config, network=network)
    table = compile_nft(msgspec.structs.replace(view, nodes=nodes, config=config))
    return trace(table, packet, route={NODE: "", OTHER: "eth0", "192.0.2.7": "eth0"}.__getitem__).verdict


def test_nobody_but_a_node_is_taken_for_one_by_the_tunnel_or_a_speaker_of_bgp() -> None:
    vxlan = Network(fabric="vxlan", vxlan=Vxlan(port=4790))
    bgp = Network(bgp=Bgp(as_number=64512, port=1790, peers=(BgpPeer(address="192.0.2.7", as_number=64513, port=179),)))
    pod_ = Packet(saddr="10.244.0.3", daddr=OTHER, protocol="udp", dport=4790, iifname=ifname_of(CLIENT))
    service = Packet(saddr="192.0.2.9", daddr=OTHER, protocol="udp", dport=4790, iifname="eth0", dnat=True)
    gateway = Packet(saddr=NODE, daddr=OTHER, dport=1790, mark=ENVOY_MARK)
    for packet in (pod_, service, msgspec.structs.replace(pod_, daddr=NODE)):
        assert _between(vxlan, packet) == "drop"
        assert _between(vxlan, msgspec.structs.replace(packet, dport=4789)) == "accept"
        assert _between(Network(), packet) == "accept"
    to_speaker = msgspec.structs.replace(pod_, protocol="tcp", dport=1790)
    to_router = msgspec.structs.replace(to_speaker, daddr="192.0.2.7", dport=179)
    for packet in (to_speaker, to_router, gateway):
        assert _between(bgp, packet) == "drop"
        assert _between(bgp, msgspec.structs.replace(packet, dport=80)) == "accept"
        assert _between(Network(), packet) == "accept"
    assert _between(bgp, msgspec.structs.replace(gateway, mark=0)) == "accept"


def test_the_tunnel_unwraps_what_nodes_have_wrapped_alone() -> None:
    vxlan = Network(fabric="vxlan")
    wrapped = Packet(saddr=OTHER, daddr=NODE, protocol="udp", dport=4789, iifname="eth0")
    assert _between(vxlan, wrapped) == "accept"
    assert _between(vxlan, msgspec.structs.replace(wrapped, saddr="192.0.2.9")) == "drop"
    assert _between(Network(), msgspec.structs.replace(wrapped, saddr="192.0.2.9")) == "accept"


def test_a_pod_of_this_node_does_not_speak_from_elsewhere() -> None:
    for link in ("eth0", "tandem-vx"):
        assert _verdict(msgspec.structs.replace(TO_WEB, daddr="10.244.0.3", saddr="10.244.0.2", iifname=link)) == "drop"
        assert _verdict(Packet(saddr="10.245.0.9", daddr="10.244.0.3", iifname=link)) == "accept"


def test_an_address_that_another_node_has_borrowed_is_not_local() -> None:
    view = view_of(WORLD)
    borrower = msgspec.structs.replace(node("node-2", "10.245.0.0/24"), borrowed=("10.244.0.9", "10.246.0.7"))
    nodes: dict[str, Node] = {view.node.name: view.node, "node-2": borrower}
    sets = {s.name: s for s in fixed_sets(msgspec.structs.replace(view, nodes=nodes))}
    found = ipaddress.collapse_addresses(
        ipaddress.IPv4Network((p.address, p.length)) for (p,) in sets["local4"].elements if isinstance(p, nft.Prefix)
    )
    whole = ipaddress.IPv4Network(view.node.pod_cidrs[0])
    assert list(found) == sorted(whole.address_exclude(ipaddress.IPv4Network("10.244.0.9")))
    assert sets["local6"] == {s.name: s for s in fixed_sets(view)}["local6"]


def test_replies_are_allowed() -> None:
    assert _verdict(TO_WEB) == "drop"
    assert _verdict(msgspec.structs.replace(TO_WEB, ct_state="established")) == "accept"
    assert _verdict(msgspec.structs.replace(TO_WEB, ct_state="related", protocol="icmp")) == "accept"


def test_a_connection_does_not_begin_in_the_middle() -> None:
    back = Packet(saddr="10.244.0.3", daddr="192.0.2.1", iifname=ifname_of(CLIENT), syn=False)
    assert _verdict(back) == "drop"


def test_the_node_reaches_its_pods_and_the_pod_not_the_node() -> None:
    assert _verdict(Packet(saddr=GATEWAY, daddr="10.244.0.2", dport=80)) == "accept"
    assert _verdict(Packet(saddr="10.244.0.2", daddr=GATEWAY, dport=80, iifname=ifname_of(WEB))) == "drop"


def test_a_link_that_is_not_programmed_gets_nothing() -> None:
    for packet in (TO_WEB, Packet(saddr=GATEWAY, daddr="10.244.0.2", dport=80)):
        assert trace(TABLE, packet, route=lambda _: "tdunknown").verdict == "drop"


def test_a_pod_reaches_itself() -> None:
    assert _verdict(msgspec.structs.replace(TO_WEB, saddr="10.244.0.2", iifname=ifname_of(WEB))) == "accept"


def test_a_pod_without_policy_may_send_and_is_let_in_by_its_link() -> None:
    view = view_of(WORLD)
    assert {m.name: len(m.elements) for m in policy_maps(view)} == {
        "ingress4": 2,
        "egress4": 1,
        "ingress6": 0,
        "egress6": 0,
    }
    (ingress4,) = (m for m in policy_maps(view) if m.name == "ingress4")
    assert {key for key, _ in ingress4.elements} == {s.name: s.elements for s in pod_sets(view)}["links4"]
    assert sum(verdict == nft.Accept() for _, verdict in ingress4.elements) == 1
    chains = fixed_chains(view)
    led_to = {s.chain for c in chains for r in c.rules for s in r.then if isinstance(s, nft.Goto | nft.Jump)}
    assert led_to == {c.name for c in chains if c.base is None}


def test_of_a_pod_errors_pass_that_are_about_its_own_connections() -> None:
    error = msgspec.structs.replace(TO_WEB, protocol="icmp", ct_state="related")
    for own in ({"client": TO_WEB.saddr, "server": TO_WEB.daddr}, {"client": "192.0.2.7", "server": TO_WEB.saddr}):
        assert _verdict(msgspec.structs.replace(error, **own)) == "accept"
    others = msgspec.structs.replace(error, client=TO_WEB.daddr, server="192.0.2.7")
    assert _verdict(others) == "drop"
    assert _verdict(msgspec.structs.replace(others, saddr="192.0.2.9", iifname="eth0")) == "accept"
