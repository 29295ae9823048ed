"""Datagrams at a gateway on the real kernel: weights, silence, the client's address, and a change of the route."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from builders import endpoint_slice, service
from gatewaybuild import datagrams, gateway
from netns.pods import ip
from netns.servicelab import CLIENT, FAR, NODE, OUTSIDE, A, B, ServiceLab, serving
from netns.talkers import datagrams_to
from tandem.base.netns import in_netns
from tandem.compile.names import DATAGRAMS, LOST_DATAGRAMS
from tandem.ir.mesh import Backend
from tandem.model.core import Pod
from tandem.model.meta import Object
from tandem.observe import nflog_wire
from tandem.observe.nflog import open_log

pytestmark = pytest.mark.root

POOL = "192.0.2.65"
FAR_SERVE = """
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("10.245.0.2", 5454))
print("ready", flush=True)
while True:
    data, who = u.recvfrom(99); u.sendto(b"10.245.0.2 " + who[0].encode(), who)
"""
"""Of one address: the answer must come from the one that was asked."""
ASK = """
import socket, json, sys
host, port, count = json.loads(sys.stdin.readline())
for _ in range(count):
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(0.5); u.connect((host, port))
    try: u.send(b"x"); print(u.recv(99).decode())
    except TimeoutError: print("silent")
    except ConnectionRefusedError: print("refused")
    u.close()
"""


@pytest.fixture(scope="module")
def node() -> Iterator[ServiceLab]:
    with serving() as lab:
        ip("route", "add", POOL, "via", NODE, netns=lab.outside)
        ip("route", "add", POOL, "dev", "eth0", netns=lab.node)
        yield lab


def behind(name: str, *pods: Pod, at: int = 5353) -> tuple[Object, Object]:
    ports = [{"name": "dns", "port": 53, "targetPort": at, "protocol": "UDP"}]
    made = service(name, ip=f"10.96.0.{30 + len(name)}", ports=ports)
    return made, endpoint_slice(made, list(pods))


ALL = (*behind("a", A), *behind("bb", B), *behind("far", FAR, at=5454), *behind("none"))


def route(node: ServiceLab, **weights: int) -> None:
    """The gateway's port of UDP leads there, by weight; to nobody without any."""
    shares = [Backend(namespace="default", service=name, port=53, weight=weight) for name, weight in weights.items()]
    node.show(*ALL, gateways=(gateway(datagrams("dns", *shares), addresses=(POOL,)),))


def ask(node: ServiceLab, netns: str, count: int = 1, port: int = 53) -> list[str]:
    with node.python(netns, ASK) as process:
        out, _ = process.communicate(json.dumps([POOL, port, count]) + "\n")
    return out.split("\n")[:-1]


def test_clients_outside_are_shared_out_by_weight_and_seen_with_their_address(node: ServiceLab) -> None:
    route(node, a=7, bb=3)
    came = Counter(ask(node, node.outside, 400))
    assert came.keys() == {f"10.244.0.2 {OUTSIDE}", f"10.244.0.3 {OUTSIDE}"}
    # Four standard deviations of 400 draws.
    assert abs(came[f"10.244.0.2 {OUTSIDE}"] - 280) < 37


def test_pods_and_the_node_itself_and_an_endpoint_of_another_node_are_reached(node: ServiceLab) -> None:
    route(node, a=1)
    assert ask(node, node.netns_of(CLIENT)) == ["10.244.0.2 10.244.0.4"]
    assert ask(node, node.node)[0].startswith("10.244.0.2 ")
    route(node, far=1)
    with node.python(node.outside, FAR_SERVE) as far:
        assert far.stdout
        assert far.stdout.readline() == "ready\n"
        assert ask(node, node.outside) == [f"10.245.0.2 {NODE}"]


def test_what_falls_to_a_backend_without_endpoints_is_met_with_silence(node: ServiceLab) -> None:
    route(node, a=1, none=1)
    came = Counter(ask(node, node.outside, 60))
    assert came.keys() == {f"10.244.0.2 {OUTSIDE}", "silent"}
    assert all(count > 8 for count in came.values())


def test_without_a_route_there_is_silence_and_at_another_port_a_refusal(node: ServiceLab) -> None:
    route(node)
    assert ask(node, node.outside) == ["silent"]
    assert ask(node, node.netns_of(CLIENT)) == ["silent"]
    assert ask(node, node.outside, port=54) == ["refused"]


def test_a_client_that_goes_on_speaking_follows_a_change_of_the_route(node: ServiceLab) -> None:
    route(node, a=1)
    with node.python(node.outside, datagrams_to(POOL)) as talker:

        def say() -> str:
            assert talker.stdin
            assert talker.stdout
            talker.stdin.write("\n")
            talker.stdin.flush()
            return talker.stdout.readline().strip()

        assert [say(), say()] == [f"10.244.0.2 {OUTSIDE}"] * 2
        route(node, bb=1)
        assert say() == f"10.244.0.3 {OUTSIDE}"
        route(node)
        assert say() == "TimeoutError"
        route(node, a=1)
        assert say() == f"10.244.0.2 {OUTSIDE}"


def test_the_first_datagram_of_a_client_is_logged_with_what_became_of_it(node: ServiceLab) -> None:
    route(node, a=1)
    log = in_netns(node.path, lambda: open_log(at_once=True))
    with log:
        log.setblocking(True)
        log.settimeout(5.0)
        ask(node, node.outside)
        assert told(log.recv(1 << 16)) == [(DATAGRAMS, OUTSIDE, POOL, 53)]
        route(node)
        ask(node, node.outside)
        assert told(log.recv(1 << 16)) == [(LOST_DATAGRAMS, OUTSIDE, POOL, 53)]


def told(data: bytes) -> list[tuple[str, str, str, int]]:
    found = []
    for logged in nflog_wire.messages(data):
        packet = nflog_wire.five_tuple(logged.payload)
        assert packet is not None
        found.append((logged.prefix, packet.source, packet.destination, packet.dport))
    return found
