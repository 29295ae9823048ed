"""The compiled table on the real kernel: real packets between veth pods."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from builders import endpoint_slice, pod, policy, service, world
from netns.pods import Lab
from nfttrace import Packet, trace
from nodeviews import GATEWAY, routes, view_of
from tandem.base.clock import FixedClock
from tandem.base.netns import in_netns
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.origins import origins
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.model import core
from tandem.model.meta import Object
from tandem.observe.conntrack import Connection, end_connections, forget_addresses
from tandem.observe.flow import Flow, Party
from tandem.observe.nflog import Attribution, open_log, watch_drops
from tandem.state.ownership import ENVOY_MARK, INBOUND_MARK, TPROXY_MARK

pytestmark = pytest.mark.root

WEB = pod("web", ip="10.244.0.2", app="web", ports={"http": 80})
CLIENT = pod("client", ip="10.244.0.3", app="client")
OTHER = pod("other", ip="10.244.0.4", app="other")
PODS: tuple[Object, ...] = (WEB, CLIENT, OTHER)
ONLY_CLIENT = policy(
    "only-client",
    podSelector={"matchLabels": {"app": "web"}},
    ingress=[
        {
            "from": [{"podSelector": {"matchLabels": {"app": "client"}}}],
            "ports": [{"port": "http"}, {"protocol": "UDP", "port": 53}],
        }
    ],
)
DENY_ALL = policy("deny-all", podSelector={"matchLabels": {"app": "web"}}, ingress=[], policyTypes=["Ingress"])
SERVE = """
import socket, selectors
chosen = selectors.DefaultSelector()
for port in (80, 81):
    s = socket.create_server(("", port)); chosen.register(s, 1, "tcp")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", 53)); chosen.register(u, 1, "udp")
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        if key.data == "udp":
            data, who = u.recvfrom(99); u.sendto(b"pong " + who[0].encode(), who)
        elif key.data == "tcp":
            c, who = key.fileobj.accept(); c.sendall(b"hello " + who[0].encode()); chosen.register(c, 1, "conn")
        else:
            data = key.fileobj.recv(99)
            if data: key.fileobj.sendall(data)
            else: chosen.unregister(key.fileobj); key.fileobj.close()
"""
ASK = """
import socket, json, sys
kind, host, port, source, mark = json.loads(sys.stdin.readline())
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.settimeout(0.9)
if mark: s.setsockopt(socket.SOL_SOCKET, 36, mark)
try:
    if source: s.bind((source, 0))
    s.connect((host, port))
    if kind == "udp": s.send(b"ping")
    print(s.recv(99).decode())
except TimeoutError: print("timeout")
except ConnectionRefusedError: print("refused")
except OSError as e: print("error", e)
"""


class Node(Lab):
    """A lab with the three pods, the server running in web, and one table."""

    def __init__(self) -> None:
        super().__init__()
        self.nft = Libnftables(self.path)

    def apply(self, *objects: Object) -> None:
        self.nft.apply(plan(self.nft.read(), compile_nft(view_of(world(*PODS, *objects)))))

    def ask(self, netns: str, host: str, port: int, *, kind: str = "tcp", source: str = "", mark: int = 0) -> str:
        with self.python(netns, ASK) as process:
            out, _ = process.communicate(json.dumps([kind, host, port, source, mark]) + "\n")
        return out.strip()


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Node().running(WEB, CLIENT, OTHER, server=SERVE) as lab:
        yield lab


def test_without_policy_everyone_reaches_everyone(node: Node) -> None:
    node.apply()
    assert node.ask(node.netns_of(CLIENT), "10.244.0.2", 80) == "hello 10.244.0.3"
    assert node.ask(node.netns_of(OTHER), "10.244.0.2", 53, kind="udp") == "pong 10.244.0.4"


@pytest.mark.parametrize("mark", [ENVOY_MARK, INBOUND_MARK, TPROXY_MARK])
def test_a_mark_that_a_pod_sets_ends_at_its_link(node: Node, mark: int) -> None:
    """A gateway's packets have the first one, on the node; what has it gets another source on its way to pods."""
    node.apply(ONLY_CLIENT)
    assert node.ask(node.netns_of(OTHER), "10.244.0.2", 80, mark=mark) == "timeout"
    assert node.ask(node.netns_of(CLIENT), "10.244.0.2", 80, mark=mark) == "hello 10.244.0.3"


@pytest.mark.parametrize("teller", [OTHER, WEB], ids=["a stranger", "the other end"])
def test_an_error_about_a_connection_comes_from_its_other_end_or_from_no_pod(node: Node, teller: core.Pod) -> None:
    """Connection tracking calls it related whoever sends it, and names no rule that anybody wrote."""
    node.apply(policy("alone", podSelector={"matchLabels": {"app": "client"}}, ingress=[], policyTypes=["Ingress"]))
    with in_netns(node.netns_path(CLIENT), lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.settimeout(1.0)
        sock.connect(("10.244.0.2", 53))
        sock.send(b"ping")
        assert sock.recv(99) == b"pong 10.244.0.3"
        refuse(node.netns_path(teller), sock.getsockname()[1])
        with pytest.raises(ConnectionRefusedError if teller is WEB else TimeoutError):
            sock.recv(99)


def refuse(netns: str, port: int) -> None:
    """Tell the client that nobody is at port 53 of web (RFC 792: destination unreachable, with what was sent)."""
    ends = socket.inet_aton("10.244.0.3") + socket.inet_aton("10.244.0.2")
    sent = struct.pack("!BBHHHBBH", 0x45, 0, 32, 1, 0, 64, 17, 0) + ends + struct.pack("!HHHH", port, 53, 12, 0)
    message = struct.pack("!BBHI", 3, 3, 0, 0) + sent
    total = sum(struct.unpack(f"!{len(message) // 2}H", message))
    total = (total & 0xFFFF) + (total >> 16)
    message = message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]
    with in_netns(netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)) as raw:
        raw.sendto(message, ("10.244.0.3", 0))


def test_a_policy_allows_what_it_says_and_drops_the_rest(node: Node) -> None:
    node.apply(ONLY_CLIENT)
    assert node.ask(node.netns_of(CLIENT), "10.244.0.2", 80) == "hello 10.244.0.3"
    assert node.ask(node.netns_of(CLIENT), "10.244.0.2", 53, kind="udp") == "pong 10.244.0.3"
    assert node.ask(node.netns_of(CLIENT), "10.244.0.2", 81) == "timeout"
    assert node.ask(node.netns_of(OTHER), "10.244.0.2", 80) == "timeout"
    assert node.ask(node.netns_of(OTHER), "10.244.0.2", 53, kind="udp") == "timeout"


def test_the_node_reaches_its_isolated_pods(node: Node) -> None:
    node.apply(DENY_ALL)
    assert node.ask(node.node, "10.244.0.2", 80) == f"hello {GATEWAY}"


def test_egress_isolation_holds_towards_pods_and_node(node: Node) -> None:
    node.apply(policy("quiet", podSelector={"matchLabels": {"app": "client"}}, policyTypes=["Egress"]))
    assert node.ask(node.netns_of(CLIENT), "10.244.0.2", 80) == "timeout"
    assert node.ask(node.netns_of(CLIENT), GATEWAY, 80) == "timeout"
    assert node.ask(node.netns_of(OTHER), GATEWAY, 80) == "refused"


def test_a_spoofed_source_is_dropped(node: Node) -> None:
    node.apply()
    node.run(node.netns_of(OTHER), "ip addr add 10.244.0.3/32 dev eth0")
    try:
        assert node.ask(node.netns_of(OTHER), "10.244.0.2", 53, kind="udp", source="10.244.0.3") == "timeout"
    finally:
        node.run(node.netns_of(OTHER), "ip addr del 10.244.0.3/32 dev eth0")


def test_a_service_address_reaches_an_endpoint_and_policy_sees_the_pod(node: Node) -> None:
    web = service("web", ip="10.96.0.20", ports=[{"name": "http", "port": 8000, "targetPort": 80}])
    behind = endpoint_slice(web, [WEB])
    node.apply(web, behind)
    assert node.ask(node.netns_of(CLIENT), "10.96.0.20", 8000) == "hello 10.244.0.3"
    assert node.ask(node.netns_of(WEB), "10.96.0.20", 8000) == f"hello {GATEWAY}"
    node.apply(web, behind, ONLY_CLIENT)
    assert node.ask(node.netns_of(CLIENT), "10.96.0.20", 8000) == "hello 10.244.0.3"
    assert node.ask(node.netns_of(OTHER), "10.96.0.20", 8000) == "timeout"


def test_a_service_is_balanced_over_its_endpoints(node: Node) -> None:
    web = service("web", ip="10.96.0.22", ports=[{"name": "http", "port": 8000, "targetPort": 80}])
    node.apply(web, endpoint_slice(web, [WEB, OTHER]))
    answers = {node.ask(node.netns_of(CLIENT), "10.96.0.22", 8000) for _ in range(24)}
    assert answers == {"hello 10.244.0.3", "refused"}


def test_a_service_without_endpoints_refuses_at_once(node: Node) -> None:
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 53, "protocol": "UDP"}]
    node.apply(service("empty", ip="10.96.0.21", ports=ports))
    assert node.ask(node.netns_of(CLIENT), "10.96.0.21", 80) == "refused"
    assert node.ask(node.netns_of(CLIENT), "10.96.0.21", 53, kind="udp") == "refused"


def test_a_drop_is_reported_with_its_policy(node: Node) -> None:
    node.apply(DENY_ALL)
    view = view_of(world(*PODS, DENY_ALL))
    known = origins(view)
    names = Attribution(node="node-1", party=lambda _: Party(), origins=lambda p: known.get(p, ()))

    async def first_drop() -> Flow:
        found: asyncio.Queue[Flow] = asyncio.Queue()
        log = in_netns(node.path, open_log)
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(watch_drops(log, names, found.put_nowait, clock=FixedClock()))
            await asyncio.to_thread(node.ask, node.netns_of(OTHER), "10.244.0.2", 80)
            flow = await found.get()
            task.cancel()
        return flow

    flow = asyncio.run(first_drop())
    assert (flow.source.address, flow.destination.address) == ("10.244.0.4", "10.244.0.2")
    assert (flow.destination.port, flow.protocol, flow.direction) == (80, "TCP", "ingress")
    assert [r.name for r in flow.rules] == ["deny-all"]


def test_a_change_of_policy_ends_an_established_connection(node: Node) -> None:
    node.apply()
    code = ASK.replace("print(s.recv(99).decode())", TALK)
    with node.python(node.netns_of(CLIENT), code) as client:
        assert client.stdin
        assert client.stdout
        client.stdin.write(json.dumps(["tcp", "10.244.0.2", 80, "", 0]) + "\n")
        client.stdin.flush()
        assert client.stdout.readline() == "hello 10.244.0.3\n"
        node.apply(DENY_ALL)
        ruleset: Any = node.nft.read()
        route = routes(world(*PODS))

        def denied(c: Connection) -> bool:
            packet = Packet(saddr=c.source, daddr=c.destination, protocol=c.protocol.lower(), dport=c.port)
            arriving = msgspec.structs.replace(packet, iifname=route(c.source))
            return trace(ruleset, arriving, route=route).verdict == "drop"

        ended = in_netns(node.path, lambda: end_connections(denied))
        assert ended >= 1
        client.stdin.write("again\n")
        client.stdin.flush()
        assert client.stdout.readline() == "timeout\n"


TALK = """
    print(s.recv(99).decode(), flush=True)
    s.sendall(sys.stdin.readline().encode())
    print(s.recv(99).decode())"""


def test_connections_of_a_removed_address_are_forgotten(node: Node) -> None:
    node.apply()
    assert node.ask(node.netns_of(CLIENT), "10.244.0.2", 53, kind="udp") == "pong 10.244.0.3"
    assert in_netns(node.path, lambda: forget_addresses(["10.244.0.3"])) >= 1
    assert in_netns(node.path, lambda: forget_addresses(["10.244.0.3"])) == 0
    assert in_netns(node.path, lambda: forget_addresses([])) == 0


def test_a_pod_that_is_not_programmed_is_closed(node: Node) -> None:
    late = pod("late", ip="10.244.0.9")
    node.attach(late)
    node.apply()
    assert node.ask(node.netns_of(late), "10.244.0.2", 53, kind="udp") == "timeout"
    assert node.ask(node.node, "10.244.0.9", 53, kind="udp") != "refused"


def test_remove_deletes_our_table_only(node: Node) -> None:
    node.apply()
    node.run(node.node, "nft add table inet foreign")
    node.nft.remove()
    assert node.run(node.node, "nft list tables").split() == ["table", "inet", "foreign"]
    node.nft.remove()
    node.apply()
