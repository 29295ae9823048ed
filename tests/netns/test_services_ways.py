"""Every way to a Service and every choice of endpoints, with real packets: hairpin, termination, hints, Local, SCTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from builders import endpoint_slice, policy, service
from builders import node as node_object
from netns.pods import ip
from netns.servicelab import CLIENT, FAR, NEIGHBOUR, NODE, OUTSIDE, A, B, ServiceLab, serving
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import plan
from tandem.model import core
from tandem.runtime.sctp import has_sctp

pytestmark = pytest.mark.root

CLUSTER, EXTERNAL, BALANCER = "10.96.0.20", "192.168.0.50", "192.168.0.60"
PORTS = [
    {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080},
    {"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP", "nodePort": 30053},
    {"name": "sctp", "port": 99, "targetPort": 9999, "protocol": "SCTP", "nodePort": 30099},
]
ASK_UDP = """
import socket, sys, json
host, port = json.loads(sys.stdin.readline())
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(2.0); u.connect((host, port)); u.send(b"x")
try: print(u.recv(99).decode())
except OSError as e: print(type(e).__name__)
"""
READY, SERVING, GONE = (
    core.EndpointConditions(ready=True, serving=True, terminating=False),
    core.EndpointConditions(ready=False, serving=True, terminating=True),
    core.EndpointConditions(ready=False, serving=False, terminating=True),
)
# RFC 9260: a packet with one INIT (type 1), answered by an INIT ACK (type 2); the checksum is CRC32c, low byte first.
SCTP = """
import os, socket, struct, sys
def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8): crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff
def packet(kind, sport, dport, vtag, tag):
    chunk = struct.pack("!BBHIIHHI", kind, 0, 20, tag, 65535, 1, 1, 1)
    bare = struct.pack("!HHII", sport, dport, vtag, 0) + chunk
    return bare[:8] + struct.pack("<I", crc32c(bare)) + bare[12:]
def parts(data):
    at = (data[0] & 15) * 4
    sport, dport, vtag = struct.unpack_from("!HHI", data, at)
    kind, _, _, tag = struct.unpack_from("!BBHI", data, at + 12)
    return socket.inet_ntoa(data[12:16]), sport, dport, kind, tag
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
raw.settimeout(2.0)
"""
SERVE_RAW = (
    SCTP
    + """
print("ready", flush=True)
raw.settimeout(None)
while True:
    who, sport, dport, kind, tag = parts(raw.recv(999))
    if kind == 1: raw.sendto(packet(2, dport, sport, tag, 7), (who, 0))
"""
)
ASK_RAW = (
    SCTP
    + """
host, port = sys.stdin.readline().split()
raw.sendto(packet(1, 20000 + os.getpid() % 20000, int(port), 0, 5), (host, 0))
try:
    while True:
        who, sport, dport, kind, tag = parts(raw.recv(999))
        if kind == 2: print(who, sport); break
except TimeoutError: print("timeout")
"""
)
SERVE_SOCKET = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132); s.bind(("", 9999)); s.listen()
print("ready", flush=True)
while True: c, _ = s.accept(); c.close()
"""
ASK_SOCKET = """
import socket, sys
host, port = sys.stdin.readline().split()
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132); s.settimeout(2.0)
try: s.connect((host, int(port))); print(*s.getpeername())
except TimeoutError: print("timeout")
"""


def web(**spec: Any) -> core.Service:
    made = service("web", ip=CLUSTER, type="LoadBalancer", ports=PORTS, externalIPs=[EXTERNAL], **spec)
    ingress = core.LoadBalancerStatus(ingress=(core.IngressAddress(ip=BALANCER),))
    return msgspec.structs.replace(made, status=core.ServiceStatus(load_balancer=ingress))


def slice_of(of: core.Service, *ends: tuple[core.Pod, core.EndpointConditions], zones: str = "") -> core.EndpointSlice:
    piece = endpoint_slice(of, [p for p, _ in ends])
    given = [
        msgspec.structs.replace(e, conditions=c, hints=core.EndpointHints(for_zones=tuple(map(zone, zones[i : i + 1]))))
        for i, (e, (_, c)) in enumerate(zip(piece.endpoints, ends, strict=True))
    ]
    return msgspec.structs.replace(piece, endpoints=tuple(given))


def zone(name: str) -> core.ForPlace:
    return core.ForPlace(name=name)


@pytest.fixture(scope="module")
def lab() -> Iterator[ServiceLab]:
    with serving() as made:
        for address in (EXTERNAL, BALANCER):
            ip("route", "add", address, "via", NODE, netns=made.outside)
        yield made


def answered(lab: ServiceLab, netns: str, host: str, port: int, count: int = 1) -> set[str]:
    """Who answers: the first words of the answers."""
    return {line.split()[0] for line in lab.ask(netns, host, port, count)}


def ask_udp(lab: ServiceLab, netns: str, host: str, port: int) -> str:
    with lab.python(netns, ASK_UDP) as process:
        return process.communicate(json.dumps([host, port]) + "\n")[0].split()[0]


WAYS = [(CLUSTER, 80, 53), (EXTERNAL, 80, 53), (BALANCER, 80, 53), (NODE, 30080, 30053)]


@pytest.mark.parametrize(("host", "tcp", "udp"), WAYS, ids=["cluster-ip", "external-ip", "balancer", "node-port"])
def test_a_pod_reaches_itself_by_every_way_to_its_service(lab: ServiceLab, host: str, tcp: int, udp: int) -> None:
    made = web()
    lab.show(made, slice_of(made, (A, READY)))
    assert answered(lab, lab.netns_of(A), host, tcp) == {"10.244.0.2"}
    assert ask_udp(lab, lab.netns_of(A), host, udp) == "10.244.0.2"


@pytest.mark.parametrize(("host", "tcp", "udp"), WAYS[1:], ids=["external-ip", "balancer", "node-port"])
def test_outside_is_answered_by_every_way_and_keeps_its_address(lab: ServiceLab, host: str, tcp: int, udp: int) -> None:
    made = web()
    lab.show(made, slice_of(made, (A, READY)))
    assert lab.ask(lab.outside, host, tcp) == [f"10.244.0.2 {OUTSIDE}"]
    assert ask_udp(lab, lab.outside, host, udp) == "10.244.0.2"


def test_the_pod_of_a_node_that_has_borrowed_its_address_is_answered_by_way_of_this_node(lab: ServiceLab) -> None:
    """It asks at a node port, and the endpoint is on a third node: which would answer it past this node."""
    borrowed, made = "10.244.0.9", web()
    ip("addr", "add", f"{borrowed}/32", "dev", "lo", netns=lab.outside)
    ip("route", "add", borrowed, "via", NEIGHBOUR, netns=lab.node)
    lab.show(made, slice_of(made, (FAR, READY)))
    assert lab.view is not None
    borrower = msgspec.structs.replace(lab.view.nodes["node-2"], borrowed=(borrowed,))
    view = msgspec.structs.replace(lab.view, nodes={"node-2": borrower})
    lab.nft.apply(plan(lab.nft.read(), compile_nft(view)))
    ask = "import socket; print(socket.create_connection((%r, 30080), 1.0, (%r, 0)).recv(99).decode())"
    with lab.python(lab.outside, ask % (NODE, borrowed)) as process:
        assert process.communicate()[0] == f"10.245.0.2 {NODE}\n"


def test_an_endpoint_that_terminates_serves_only_while_no_other_is_ready(lab: ServiceLab) -> None:
    made = web()
    lab.show(made, slice_of(made, (A, SERVING), (B, GONE)))
    assert answered(lab, lab.netns_of(CLIENT), CLUSTER, 80, 5) == {"10.244.0.2"}
    lab.show(made, slice_of(made, (A, SERVING), (B, READY)))
    assert answered(lab, lab.netns_of(CLIENT), CLUSTER, 80, 5) == {"10.244.0.3"}
    lab.show(made, slice_of(made, (A, GONE), (B, GONE)))
    assert answered(lab, lab.netns_of(CLIENT), CLUSTER, 80) == {"refused"}


def test_with_policy_local_it_serves_where_the_node_has_no_other_although_others_are_ready(lab: ServiceLab) -> None:
    made = web(externalTrafficPolicy="Local")
    lab.show(made, slice_of(made, (A, SERVING), (FAR, READY)))
    assert answered(lab, lab.outside, NODE, 30080, 5) == {"10.244.0.2"}
    assert answered(lab, lab.netns_of(CLIENT), CLUSTER, 80, 5) == {"10.245.0.2"}
    lab.show(made, slice_of(made, (A, GONE), (FAR, READY)))
    assert answered(lab, lab.outside, NODE, 30080) == {"timeout"}


def test_the_internal_policy_local_leaves_the_endpoints_of_the_node(lab: ServiceLab) -> None:
    made = web(internalTrafficPolicy="Local")
    lab.show(made, slice_of(made, (A, READY), (FAR, READY)))
    assert answered(lab, lab.netns_of(CLIENT), CLUSTER, 80, 10) == {"10.244.0.2"}
    lab.show(made, slice_of(made, (FAR, READY)))
    assert answered(lab, lab.netns_of(CLIENT), CLUSTER, 80) == {"timeout"}
    assert answered(lab, lab.netns_of(CLIENT), NODE, 30080) == {"10.245.0.2"}


def test_hints_keep_connections_in_the_zone_and_are_ignored_where_one_is_missing(lab: ServiceLab) -> None:
    made = web()
    lab.show(node_object("node-1", zone="a"), made, slice_of(made, (A, READY), (B, READY), zones="ab"))
    assert answered(lab, lab.netns_of(CLIENT), CLUSTER, 80, 20) == {"10.244.0.2"}
    assert answered(lab, lab.outside, NODE, 30080, 20) == {"10.244.0.2"}
    lab.show(node_object("node-1", zone="a"), made, slice_of(made, (A, READY), (B, READY), zones="a"))
    assert answered(lab, lab.netns_of(CLIENT), CLUSTER, 80, 40) == {"10.244.0.2", "10.244.0.3"}


def test_sctp_is_served_by_cluster_ip_and_node_port_and_judged_by_policy(lab: ServiceLab) -> None:
    """With the kernel's own sockets where it has SCTP, else with packets made by hand, through the same rules."""
    serve, ask = (SERVE_SOCKET, ASK_SOCKET) if has_sctp() else (SERVE_RAW, ASK_RAW)
    made = web()

    def dial(netns: str, host: str, port: int) -> str:
        with lab.python(netns, ask) as process:
            return process.communicate(f"{host} {port}\n")[0].strip()

    with lab.python(lab.netns_of(A), serve) as server:
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        lab.show(made, slice_of(made, (A, READY)))
        assert dial(lab.netns_of(CLIENT), CLUSTER, 99) == f"{CLUSTER} 99"
        assert dial(lab.outside, NODE, 30099) == f"{NODE} 30099"
        closed = policy("closed", podSelector={}, ingress=[{"ports": [{"protocol": "TCP", "port": 8080}]}])
        lab.show(made, slice_of(made, (A, READY)), closed)
        assert dial(lab.netns_of(CLIENT), CLUSTER, 99) == "timeout"
        opened = policy("open", podSelector={}, ingress=[{"ports": [{"protocol": "SCTP", "port": 9999}]}])
        lab.show(made, slice_of(made, (A, READY)), closed, opened)
        assert dial(lab.netns_of(CLIENT), CLUSTER, 99) == f"{CLUSTER} 99"
