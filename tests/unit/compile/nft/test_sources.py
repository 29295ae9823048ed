from __future__ import annotations

import pytest

from builders import endpoint_slice, node, pod, service, world
from nfttrace import Packet, trace
from nodeviews import ifname_of, routes, view_of
from tandem.compile.nft.node import compile_nft
from tandem.model.parse import parse
from tandem.model.world import World

POD = pod("a", ip="10.244.0.2")
VIP = "198.51.100.1"


def balanced(*ranges: str) -> World:
    made = service("web", ip="10.96.0.20", type="LoadBalancer", ports=[{"name": "http", "port": 80, "nodePort": 30080}])
    raw = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "10.96.0.20",
            "clusterIPs": ["10.96.0.20"],
            "loadBalancerSourceRanges": list(ranges),
            "ports": [{"name": "http", "port": 80, "nodePort": 30080}],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": VIP}]}},
    }
    return world(node("node-1"), POD, parse(raw), endpoint_slice(made, [POD]))


def dial(made: World, source: str, daddr: str = VIP, dport: int = 80, link: str = "eth0") -> str:
    packet = Packet(saddr=source, iifname=link, daddr=daddr, dport=dport)
    found = trace(compile_nft(view_of(made)), packet, route=routes(made))
    return "reached" if found.verdict == "accept" and found.packet.dnat else found.verdict


def test_sources_in_a_range_reach_the_address_and_others_are_dropped() -> None:
    made = balanced("203.0.113.0/24", "198.18.0.0/15")
    assert dial(made, "203.0.113.7") == dial(made, "198.19.0.1") == "reached"
    assert dial(made, "192.0.2.1") == "drop"


def test_pods_and_the_node_are_no_exception() -> None:
    made = balanced("203.0.113.0/24")
    assert dial(made, "10.244.0.2", link=ifname_of(POD)) == "drop"
    assert dial(made, "192.168.0.1", link="") == "drop"
    assert dial(balanced("10.244.0.0/16"), "10.244.0.2", link=ifname_of(POD)) == "reached"


def test_a_node_that_has_the_address_itself_counts_by_its_own_address() -> None:
    assert dial(balanced("192.168.0.0/24"), VIP, link="") == "reached"
    assert dial(balanced("203.0.113.0/24"), VIP, link="") == "drop"


@pytest.mark.parametrize(("address", "port"), [("10.96.0.20", 80), ("192.168.0.1", 30080)])
def test_other_ways_to_the_service_are_not_limited(address: str, port: int) -> None:
    assert dial(balanced("203.0.113.0/24"), "192.0.2.1", address, port) == "reached"


def test_without_ranges_everyone_may_dial() -> None:
    assert dial(balanced(), "192.0.2.1") == "reached"
