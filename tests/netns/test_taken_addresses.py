"""Whoever may write Services cannot take what is another's: cluster IPs, pods, addresses of load balancers, tunnels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from builders import endpoint_slice, service
from builders import node as node_object
from netns.pods import ip
from netns.servicelab import CLIENT, FAR, NEIGHBOUR, NODE, A, B, ServiceLab, serving
from tandem.base.netns import in_netns
from tandem.ir.network import Bgp, Encryption, Network
from tandem.model import core
from tandem.observe.conntrack import tracked

pytestmark = pytest.mark.root

CLUSTER, BALANCER = "10.96.0.20", "192.168.0.60"
PORTS = [{"name": "http", "port": 80, "targetPort": 8080}]


def balanced(made: core.Service) -> core.Service:
    ingress = core.LoadBalancerStatus(ingress=(core.IngressAddress(ip=BALANCER),))
    return msgspec.structs.replace(made, status=core.ServiceStatus(load_balancer=ingress))


SEND = """
import json, socket, sys
protocol, host, port = json.loads(sys.stdin.readline())
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM)
s.settimeout(0.3)
try: s.connect((host, port)); s.send(b"x"); s.recv(9)
except OSError: pass
"""
WEB = balanced(service("web", ip=CLUSTER, type="LoadBalancer", ports=PORTS))
NODES = tuple(
    msgspec.structs.replace(node_object(name), spec=core.NodeSpec(pod_cidr=cidr))
    for name, cidr in (("node-1", "10.244.0.0/16"), ("node-2", "10.245.0.0/24"))
)


def thief(*addresses: str, **port: Any) -> tuple[core.Service, core.EndpointSlice]:
    """A Service of another namespace, first in every order, with these external addresses; pod b is behind it."""
    ports = [{"name": "http", "port": 80, "targetPort": 8080} | port]
    made = service("a", ns="aaa", ip="10.96.0.99", ports=ports, externalIPs=list(addresses))
    return made, endpoint_slice(made, [B])


@pytest.fixture(scope="module")
def lab() -> Iterator[ServiceLab]:
    with serving() as made:
        ip("route", "add", BALANCER, "via", NODE, netns=made.outside)
        yield made


def answers(lab: ServiceLab, netns: str, host: str, port: int) -> list[str]:
    return [line.split()[0] for line in lab.ask(netns, host, port)]


@pytest.mark.parametrize("address", [CLUSTER, BALANCER])
def test_an_external_address_takes_nothing_from_the_service_that_has_it(lab: ServiceLab, address: str) -> None:
    lab.show(*NODES, WEB, endpoint_slice(WEB, [A]), *thief(address))
    client = lab.netns_of(CLIENT)
    assert answers(lab, client, address, 80) == [A.addresses[0]]
    if address == BALANCER:
        assert answers(lab, lab.outside, address, 80) == [A.addresses[0]]


def test_a_port_that_a_service_has_not_is_nobody_elses(lab: ServiceLab) -> None:
    lab.show(*NODES, WEB, endpoint_slice(WEB, [A]), *thief(CLUSTER, port=81))
    assert answers(lab, lab.netns_of(CLIENT), CLUSTER, 81) == ["refused"]


def test_what_is_for_a_pod_of_another_node_gets_there(lab: ServiceLab) -> None:
    far = FAR.addresses[0]
    lab.show(*NODES, *thief(far, port=8080))
    assert answers(lab, lab.netns_of(CLIENT), far, 8080) == [far]


def test_an_address_outside_is_served_as_ever(lab: ServiceLab) -> None:
    lab.show(*NODES, *thief("203.0.113.9", NODE))
    for address in ("203.0.113.9", NODE):
        assert answers(lab, lab.netns_of(CLIENT), address, 80) == [B.addresses[0]]


NETWORKS = {
    "vxlan": (Network(fabric="vxlan"), "UDP", 4789),
    "wireguard": (Network(encryption=Encryption()), "UDP", 51820),
    "bgp": (Network(bgp=Bgp(as_number=64512)), "TCP", 179),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_nobody_is_sent_what_nodes_send_each_other(lab: ServiceLab, kind: str) -> None:
    network, protocol, port = NETWORKS[kind]
    target = 5353 if protocol == "UDP" else 8080
    lab.show(*NODES, *thief(NODE, NEIGHBOUR, protocol=protocol, port=port, targetPort=target), network=network)
    with lab.python(lab.outside, SEND) as process:
        process.communicate(json.dumps([protocol, NODE, port]))
    with lab.python(lab.node, SEND) as process:
        process.communicate(json.dumps([protocol, NEIGHBOUR, port]))
    sent = [c for c in in_netns(lab.path, lambda: list(tracked())) if c.dialled_port == port]
    assert B.addresses[0] not in {c.destination for c in sent}
