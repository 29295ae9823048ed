"""Gateways as the kernel sees them."""

from __future__ import annotations

import msgspec

from gatewaybuild import gateway, hosts, listener, port, route
from meshbuild import NODE, service, view
from tandem.compile.addresses import edge_source
from tandem.compile.envoy import compile_envoy
from tandem.compile.gateways import fronted, with_gateways, with_gateways_behind
from tandem.compile.links import compile_node_net
from tandem.compile.nft.node import compile_nft
from tandem.compile.outward import announced_for, compile_outward
from tandem.ir.fabric import AppProtocol
from tandem.ir.node import NodeView
from tandem.ir.traffic import TrafficPolicy
from tandem.state.xds import LISTENER

PORT = port(listener("l", "*", hosts("*", route("r"))))
POOL, INNER = "192.0.2.65", "10.96.255.253"
NODES = {"n1": NODE}
WEB = service("web", "10.96.0.20", ("http", 80, AppProtocol.HTTP))


def node(*addresses: str) -> NodeView:
    return view(WEB, gateways={"edge/edge": gateway(PORT, addresses=addresses)}, nodes=NODES)


def test_a_gateways_port_leads_to_the_nodes_own_address() -> None:
    table = compile_nft(node(POOL))
    (backends,) = [m for m in table.maps if m.name == "backend4"]
    assert {key[:3]: end for key, end in backends.elements if key[0] == POOL} == {
        (POOL, "tcp", 80): ("10.244.0.1", 20080)
    }
    (owned,) = [s for s in table.sets if s.name == "vips4"]
    assert (POOL,) in owned.elements  # its other ports are refused


def test_the_addresses_of_the_service_that_stands_for_it_lead_there_too_and_are_announced_to_nobody() -> None:
    stands = service("edge-tandem", "10.96.0.77", ("http-80", 80, AppProtocol.TCP), namespace="edge")
    made = msgspec.structs.replace(gateway(PORT, addresses=(POOL,)), service="edge-tandem")
    found = view(WEB, stands, gateways={"edge/edge": made}, nodes=NODES)
    table = compile_nft(found)
    (backends,) = [m for m in table.maps if m.name == "backend4"]
    ends = {key[:3]: end for key, end in backends.elements}
    assert ends == {(at, "tcp", 80): ("10.244.0.1", 20080) for at in (POOL, "10.96.0.77")}
    assert compile_outward(found).addresses == (POOL,)
    assert with_gateways(compile_node_net(found), found) == compile_node_net(found)
    envoy = with_gateways_behind(found)
    (end,) = envoy.endpoints["edge/edge-tandem"].endpoints
    assert (end.address, end.ports) == ("10.244.0.1", (("http-80", 20080),))
    later = msgspec.structs.replace(found, policies={"shop/web": TrafficPolicy(namespace="shop", service="web")})
    assert with_gateways_behind(later).endpoints is envoy.endpoints


def test_a_family_that_the_service_alone_has_is_served_too() -> None:
    both = msgspec.structs.replace(NODE, pod_cidrs=("10.244.0.0/24", "fd00:244::/120"))
    stands = service("edge-tandem", "10.96.0.77", ("http-80", 80, AppProtocol.TCP), namespace="edge")
    stands = msgspec.structs.replace(stands, cluster_ips=("10.96.0.77", "fd00:96::77"))
    made = msgspec.structs.replace(gateway(PORT, addresses=(POOL,)), service="edge-tandem")
    found = msgspec.structs.replace(view(stands, gateways={"edge/edge": made}, nodes={"n1": both}), node=both)
    (backends,) = [m for m in compile_nft(found).maps if m.name == "backend6"]
    assert {key[:3]: end for key, end in backends.elements} == {("fd00:96::77", "tcp", 80): ("fd00:244::1", 20080)}
    assert [end.address for end in with_gateways_behind(found).endpoints["edge/edge-tandem"].endpoints] == [
        "10.244.0.1",
        "fd00:244::1",
    ]
    listeners = compile_envoy(found).resources[LISTENER].values()
    assert "fd00:244::1" in str([one.body for one in listeners]), "somebody listens there"


def test_without_such_a_service_envoys_view_is_the_view() -> None:
    found = node(POOL)
    assert with_gateways_behind(found) is found
    named = msgspec.structs.replace(found.gateways["edge/edge"], service="edge-tandem")
    unseen = msgspec.structs.replace(found, gateways={"edge/edge": named})
    assert with_gateways_behind(unseen) is unseen, "the Service is not there yet"


def test_datagrams_of_http3_go_the_way_of_its_connections_and_no_others() -> None:
    taking = msgspec.structs.replace(listener("s", "*", certificates=("c",)), http3=True)
    secure = port(taking, number=443, target=20443, tls=True)
    table = compile_nft(view(WEB, gateways={"edge/edge": gateway(PORT, secure, addresses=(POOL,))}, nodes=NODES))
    (backends,) = [m for m in table.maps if m.name == "backend4"]
    assert {key[:3]: end for key, end in backends.elements if key[0] == POOL} == {
        (POOL, "tcp", 80): ("10.244.0.1", 20080),
        (POOL, "tcp", 443): ("10.244.0.1", 20443),
        (POOL, "udp", 443): ("10.244.0.1", 20443),
    }


def test_an_address_of_the_pool_is_announced_and_one_of_the_cluster_is_the_nodes_own() -> None:
    found = node(POOL, INNER)
    assert compile_outward(found).addresses == (POOL,)
    assert announced_for(found)[POOL].kind == "Gateway"
    net = compile_node_net(found)
    assert set(with_gateways(net, found).addresses) - set(net.addresses) == {INNER}
    assert with_gateways(net, node(POOL)) is net


def test_the_kernels_part_is_the_same_while_routes_alone_change() -> None:
    before = node(POOL)
    other = gateway(port(listener("l", "*", hosts("*", route("another")))), addresses=(POOL,))
    now = msgspec.structs.replace(before, gateways={"edge/edge": other})
    assert fronted(now) is fronted(before)
    gone = msgspec.structs.replace(before, gateways={})
    assert fronted(gone).services == before.services
    policies = {"shop/web": TrafficPolicy(namespace="shop", service="web")}
    assert fronted(msgspec.structs.replace(gone, policies=policies)) is fronted(gone)


def test_pods_of_the_node_see_gateways_at_an_address_that_nobody_has() -> None:
    assert edge_source(("10.96.0.0/16", "fd00:96::/112"), 4) == "10.96.255.254"
    assert edge_source(("10.96.0.0/16", "fd00:96::/112"), 6) == "fd00:96::ffff"
    assert edge_source(("10.96.0.0/16",), 6) == ""
