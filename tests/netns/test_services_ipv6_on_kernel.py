"""Services of IPv6 on the real kernel: what `test_services_kernel.py` shows of IPv4, with addresses of IPv6 alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from builders import endpoint_slice, pod, policy, service, world
from netns.pods import GATEWAY6, Lab, ip
from netns.servicelab import ASK
from nodeviews import node as node_of
from nodeviews import view_of
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.model import core

pytestmark = pytest.mark.root

A, B, CLIENT = (pod(name, ip=f"fd00:10:244::{n}", app=name) for n, name in ((2, "a"), (3, "b"), (4, "client")))
FAR = pod("far", ip="fd00:10:245::2", node="node-2")
NODE, OUTSIDE, NEIGHBOUR, VIP = "fd00:77::1", "fd00:77::7", "fd00:77::2", "fd00:10:96::20"
SERVE = """
import socket
s = socket.create_server(("", 8080), family=socket.AF_INET6)
print("ready", flush=True)
while True:
    c, who = s.accept(); c.sendall(b"%s %s" % (c.getsockname()[0].encode(), who[0].encode())); c.close()
"""


class Node(Lab):
    """Two serving pods and a client on the node; outside it a client, and another node with one pod."""

    def __init__(self) -> None:
        super().__init__()
        self.nft = Libnftables(self.path)

    def start(self) -> None:
        super().start()
        for each in (A, B, CLIENT):
            self.attach(each)
        self._netns(self.outside)
        ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.outside, netns=self.node)
        for netns, address in ((self.node, NODE), (self.outside, OUTSIDE)):
            ip("addr", "add", f"{address}/64", "dev", "eth0", "nodad", netns=netns)
            ip("link", "set", "eth0", "up", netns=netns)
            ip("link", "set", "lo", "up", netns=netns)
        # Not preferred: it is no source of what the client outside sends.
        ip("addr", "add", f"{NEIGHBOUR}/64", "dev", "eth0", "preferred_lft", "0", "nodad", netns=self.outside)
        ip("addr", "add", "fd00:10:245::2/128", "dev", "lo", "nodad", netns=self.outside)
        ip("route", "add", "fd00:10:245::/64", "via", NEIGHBOUR, netns=self.node)
        ip("route", "add", "fd00:10:244::/64", "via", NODE, netns=self.outside)

    @property
    def outside(self) -> str:
        return f"{self.node}-out"

    def serve(self, *pods: core.Pod, rules: tuple[Any, ...] = (), **spec: Any) -> None:
        ports = [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}]
        web = service("web", ip=VIP, type="NodePort", ports=ports, **spec)
        slices = msgspec.structs.replace(endpoint_slice(web, list(pods)), address_type="IPv6")
        made = view_of(world(A, B, CLIENT, FAR, web, slices, *rules))
        own = msgspec.structs.replace(made.node, addresses=(NODE,), pod_cidrs=("fd00:10:244::/64",))
        config = msgspec.structs.replace(made.config, service_cidrs=("fd00:10:96::/112",))
        others = {"node-2": node_of("node-2", "fd00:10:245::/64")}
        view = msgspec.structs.replace(made, node=own, config=config, nodes=others)
        self.nft.apply(plan(self.nft.read(), compile_nft(view)))

    def ask(self, netns: str, host: str, port: int, count: int = 1) -> list[str]:
        with self.python(netns, ASK) as process:
            out, _ = process.communicate(json.dumps([host, port, count]) + "\n")
        return out.split("\n")[:-1]


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    lab = Node()
    try:
        lab.start()
        with (
            lab.python(lab.netns_of(A), SERVE) as a,
            lab.python(lab.netns_of(B), SERVE) as b,
            lab.python(lab.outside, SERVE) as far,
        ):
            for server in (a, b, far):
                assert server.stdout
                assert server.stdout.readline() == "ready\n"
            yield lab
    finally:
        lab.stop()


def test_a_pod_reaches_a_service_and_itself_through_it(node: Node) -> None:
    node.serve(A)
    assert node.ask(node.netns_of(CLIENT), VIP, 80) == ["fd00:10:244::2 fd00:10:244::4"]
    assert node.ask(node.netns_of(A), VIP, 80) == [f"fd00:10:244::2 {GATEWAY6}"]
    assert node.ask(node.netns_of(CLIENT), VIP, 81) == ["refused"]


def test_both_endpoints_are_chosen(node: Node) -> None:
    node.serve(A, B)
    found = {line.split()[0] for line in node.ask(node.netns_of(CLIENT), VIP, 80, 40)}
    assert found == {"fd00:10:244::2", "fd00:10:244::3"}


def test_a_node_port_is_served_to_outside_to_pods_and_to_the_node(node: Node) -> None:
    for rule in ("Cluster", "Local"):
        node.serve(A, externalTrafficPolicy=rule)
        assert node.ask(node.outside, NODE, 30080) == [f"fd00:10:244::2 {OUTSIDE}"]
    assert node.ask(node.netns_of(CLIENT), NODE, 30080) == ["fd00:10:244::2 fd00:10:244::4"]
    assert node.ask(node.node, NODE, 30080)[0].startswith("fd00:10:244::2 ")
    assert node.ask(node.node, "::1", 30080) == ["refused"]


def test_from_outside_to_another_node_the_node_is_the_client_and_policy_local_drops(node: Node) -> None:
    node.serve(FAR)
    assert node.ask(node.outside, NODE, 30080) == [f"fd00:10:245::2 {NODE}"]
    node.serve(FAR, externalTrafficPolicy="Local")
    assert node.ask(node.outside, NODE, 30080) == ["timeout"]


def test_without_endpoints_a_service_refuses_at_once(node: Node) -> None:
    node.serve()
    assert node.ask(node.netns_of(CLIENT), VIP, 80) == ["refused"]
    assert node.ask(node.outside, NODE, 30080) == ["refused"]


def test_affinity_holds_over_fifty_connections_and_over_a_change_of_endpoints(node: Node) -> None:
    node.serve(A, B, sessionAffinity="ClientIP")
    found = {line.split()[0] for line in node.ask(node.netns_of(CLIENT), VIP, 80, 50)}
    assert len(found) == 1
    other = B if found == {"fd00:10:244::2"} else A
    node.serve(A, B, FAR, sessionAffinity="ClientIP")
    assert {line.split()[0] for line in node.ask(node.netns_of(CLIENT), VIP, 80, 20)} == found
    node.serve(other, sessionAffinity="ClientIP")
    assert node.ask(node.netns_of(CLIENT), VIP, 80)[0].startswith(other.addresses[0])
    node.serve(A, B, sessionAffinity="ClientIP")
    assert {line.split()[0] for line in node.ask(node.netns_of(CLIENT), VIP, 80, 20)} == {other.addresses[0]}


def test_affinity_holds_at_the_node_port(node: Node) -> None:
    node.serve(A, B, sessionAffinity="ClientIP")
    assert len(set(node.ask(node.outside, NODE, 30080, 50))) == 1


def test_a_pod_that_takes_another_address_is_dropped_on_its_own_link(node: Node) -> None:
    node.serve(A)
    netns = node.netns_of(B)
    ip("addr", "add", "fd00:10:244::99/128", "dev", "eth0", "nodad", netns=netns)
    ip("route", "add", f"{A.addresses[0]}/128", "via", "fe80::1", "dev", "eth0", "src", "fd00:10:244::99", netns=netns)
    try:
        assert node.ask(netns, A.addresses[0], 8080) == ["timeout"]
    finally:
        ip("route", "del", f"{A.addresses[0]}/128", netns=netns)
        ip("addr", "del", "fd00:10:244::99/128", "dev", "eth0", netns=netns)
    assert node.ask(netns, A.addresses[0], 8080) == ["fd00:10:244::2 fd00:10:244::3"]


def test_policy_judges_pods_and_blocks_of_ipv6(node: Node) -> None:
    by_pod = policy(
        "p",
        podSelector={"matchLabels": {"app": "a"}},
        ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}],
    )
    node.serve(A, rules=(by_pod,))
    assert node.ask(node.netns_of(CLIENT), VIP, 80) == ["fd00:10:244::2 fd00:10:244::4"]
    assert node.ask(node.netns_of(B), A.addresses[0], 8080) == ["timeout"]
    block = {"cidr": "fd00:10:244::/64", "except": ["fd00:10:244::4/128"]}
    by_block = policy("p", podSelector={"matchLabels": {"app": "a"}}, ingress=[{"from": [{"ipBlock": block}]}])
    node.serve(A, rules=(by_block,))
    assert node.ask(node.netns_of(B), A.addresses[0], 8080) == ["fd00:10:244::2 fd00:10:244::3"]
    assert node.ask(node.netns_of(CLIENT), VIP, 80) == ["timeout"]


def test_a_packet_too_big_reaches_a_pod_that_policy_isolates(node: Node) -> None:
    """RFC 4890, 4.3.1: without it a connection hangs. It is related to the connection, so it is no new one to judge."""
    lonely = policy("p", podSelector={"matchLabels": {"app": "b"}}, policyTypes=["Ingress"])
    node.serve(A, rules=(lonely,))
    ip("link", "set", "eth0", "mtu", "1300", netns=node.node)
    ip("link", "set", "eth0", "mtu", "1300", netns=node.outside)
    try:
        netns = node.netns_of(B)
        with node.python(netns, BIG) as sender:
            out, _ = sender.communicate(f"{OUTSIDE}\n")
        assert out.strip() == "1300"
    finally:
        for each in (node.node, node.outside):
            ip("link", "set", "eth0", "mtu", "1500", netns=each)


BIG = """
import socket, sys, time
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, 23, 2)  # IPV6_MTU_DISCOVER: always
s.connect((sys.stdin.readline().strip(), 9))
for _ in range(50):
    try: s.send(b"x" * 1400)
    except OSError: break
    time.sleep(0.05)
print(s.getsockopt(socket.IPPROTO_IPV6, 24))  # IPV6_MTU
"""
