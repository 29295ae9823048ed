"""Services of IPv6 on the real kernel: what `test_services_kernel.py` shows of IPv4, with addresses of IPv6 alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

from builders import endpoint_slice, pod, policy, service
from gatewaybuild import datagrams, gateway
from netns.pods import GATEWAY6, ip
from netns.servicelab import Places, ServiceLab, serving
from tandem.ir.mesh import Backend

pytestmark = pytest.mark.root

A, B, CLIENT = (pod(name, ip=f"fd00:10:244::{n}", app=name) for n, name in ((2, "a"), (3, "b"), (4, "client")))
FAR = pod("far", ip="fd00:10:245::2", node="node-2")
NODE, OUTSIDE, VIP = "fd00:77::1", "fd00:77::7", "fd00:10:96::20"
SIX = Places(
    a=A,
    b=B,
    client=CLIENT,
    far=FAR,
    node=NODE,
    outside=OUTSIDE,
    neighbour="fd00:77::2",
    vip=VIP,
    prefix="fd00:10:244::/64",
    far_prefix="fd00:10:245::/64",
    services="fd00:10:96::/112",
)

DATAGRAMS = """
import socket
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u.bind(("fd00:10:244::2", 5353)); print("ready", flush=True)
while True:
    data, who = u.recvfrom(99); u.sendto(b"fd00:10:244::2 " + who[0].encode(), who)
"""
SEND = """
import socket
for _ in range(40):
    u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u.settimeout(0.5); u.connect(("fd00:192::65", 53))
    try: u.send(b"x"); print(u.recv(99).decode())
    except TimeoutError: print("silent")
    u.close()
"""


@pytest.fixture(scope="module")
def node() -> Iterator[ServiceLab]:
    with serving(SIX) as lab:
        yield lab


def test_a_pod_reaches_a_service_and_itself_through_it(node: ServiceLab) -> None:
    node.serve(A)
    assert node.ask(node.netns_of(CLIENT), VIP, 80) == ["fd00:10:244::2 fd00:10:244::4"]
    assert node.ask(node.netns_of(A), VIP, 80) == [f"fd00:10:244::2 {GATEWAY6}"]
    assert node.ask(node.netns_of(CLIENT), VIP, 81) == ["refused"]


def test_both_endpoints_are_chosen(node: ServiceLab) -> None:
    node.serve(A, B)
    found = {line.split()[0] for line in node.ask(node.netns_of(CLIENT), VIP, 80, 40)}
    assert found == {"fd00:10:244::2", "fd00:10:244::3"}


def test_a_node_port_is_served_to_outside_to_pods_and_to_the_node(node: ServiceLab) -> None:
    for rule in ("Cluster", "Local"):
        node.serve(A, externalTrafficPolicy=rule)
        assert node.ask(node.outside, NODE, 30080) == [f"fd00:10:244::2 {OUTSIDE}"]
    assert node.ask(node.netns_of(CLIENT), NODE, 30080) == ["fd00:10:244::2 fd00:10:244::4"]
    assert node.ask(node.node, NODE, 30080)[0].startswith("fd00:10:244::2 ")
    assert node.ask(node.node, "::1", 30080) == ["refused"]


def test_from_outside_to_another_node_the_node_is_the_client_and_policy_local_drops(node: ServiceLab) -> None:
    node.serve(FAR)
    assert node.ask(node.outside, NODE, 30080) == [f"fd00:10:245::2 {NODE}"]
    node.serve(FAR, externalTrafficPolicy="Local")
    assert node.ask(node.outside, NODE, 30080) == ["timeout"]


def test_without_endpoints_a_service_refuses_at_once(node: ServiceLab) -> None:
    node.serve()
    assert node.ask(node.netns_of(CLIENT), VIP, 80) == ["refused"]
    assert node.ask(node.outside, NODE, 30080) == ["refused"]


def test_affinity_holds_over_fifty_connections_and_over_a_change_of_endpoints(node: ServiceLab) -> None:
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


def test_affinity_holds_at_the_node_port(node: ServiceLab) -> None:
    node.serve(A, B, sessionAffinity="ClientIP")
    assert len(set(node.ask(node.outside, NODE, 30080, 50))) == 1


def test_a_pod_that_takes_another_address_is_dropped_on_its_own_link(node: ServiceLab) -> None:
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


def test_policy_judges_pods_and_blocks_of_ipv6(node: ServiceLab) -> None:
    by_pod = policy(
        "p",
        podSelector={"matchLabels": {"app": "a"}},
        ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}],
    )
    node.serve(A, beside=(by_pod,))
    assert node.ask(node.netns_of(CLIENT), VIP, 80) == ["fd00:10:244::2 fd00:10:244::4"]
    assert node.ask(node.netns_of(B), A.addresses[0], 8080) == ["timeout"]
    block = {"cidr": "fd00:10:244::/64", "except": ["fd00:10:244::4/128"]}
    by_block = policy("p", podSelector={"matchLabels": {"app": "a"}}, ingress=[{"from": [{"ipBlock": block}]}])
    node.serve(A, beside=(by_block,))
    assert node.ask(node.netns_of(B), A.addresses[0], 8080) == ["fd00:10:244::2 fd00:10:244::3"]
    assert node.ask(node.netns_of(CLIENT), VIP, 80) == ["timeout"]


def test_a_packet_too_big_reaches_a_pod_that_policy_isolates(node: ServiceLab) -> None:
    """RFC 4890, 4.3.1: without it a connection hangs. It is related to the connection, so it is no new one to judge."""
    lonely = policy("p", podSelector={"matchLabels": {"app": "b"}}, policyTypes=["Ingress"])
    node.serve(A, beside=(lonely,))
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
for _ in range(200):
    try: s.send(b"x" * 1400)
    except OSError: break
    time.sleep(0.05)
print(s.getsockopt(socket.IPPROTO_IPV6, 24))  # IPV6_MTU
"""


def test_datagrams_at_a_gateway_are_shared_out_and_lost_as_with_ipv4(node: ServiceLab) -> None:
    pool = "fd00:192::65"
    ip("route", "add", pool, "via", NODE, netns=node.outside)
    ports = [{"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP"}]
    dns, bare = service("dns", ip="fd00:10:96::30", ports=ports), service("bare", ip="fd00:10:96::31", ports=ports)
    piece = msgspec.structs.replace(endpoint_slice(dns, [A]), address_type="IPv6")
    to = [Backend(namespace="default", service=name, port=53) for name in ("dns", "bare")]
    node.show(dns, bare, piece, gateways=(gateway(datagrams("dns", *to), addresses=(pool,)),))
    with node.python(node.netns_of(A), DATAGRAMS) as server:
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        with node.python(node.outside, SEND) as sender:
            out, _ = sender.communicate()
    came = Counter(out.splitlines())
    assert came.keys() == {f"fd00:10:244::2 {OUTSIDE}", "silent"}
    assert all(count > 4 for count in came.values())
