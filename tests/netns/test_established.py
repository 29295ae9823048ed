"""A change of policy ends the connections that it denies, and no other: real packets, every way that they come."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final

import msgspec
import pytest

from builders import cluster_policy, endpoint_slice, namespace, pod, policy, service, world
from netns.pods import GATEWAY6, Lab, ip
from netns.talkers import SERVE, TALK, say
from nodeviews import GATEWAY, view_of
from tandem.base.ids import PolicySetId
from tandem.base.netns import in_netns
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.ir.node import NodeView
from tandem.ir.policy import PolicySet
from tandem.model.meta import Object
from tandem.observe.conntrack import Connection, end, tracked
from tandem.runtime.established import Ended, end_denied

pytestmark = pytest.mark.root

WEB = pod("web", ip=("10.244.0.2", "fd00:10:244::2"), app="web")
CLIENT = pod("client", ip=("10.244.0.3", "fd00:10:244::3"), namespace="shop", app="client")
FAR4, FAR6 = "192.0.2.9", "2001:db8:9::9"
"""Behind the node's uplink: outside the cluster, or a pod of another node."""
WAYS: Final = {f"{kind}{version}": (kind, version) for kind in ("tcp", "udp", "icmp") for version in (4, 6)}
TO_WEB: Final = {4: "10.244.0.2", 6: "fd00:10:244::2"}
SHOP, OTHER_SHOP = namespace("shop", team="a"), namespace("shop", team="b")
NOBODY = policy("nobody", podSelector={"matchLabels": {"app": "web"}}, policyTypes=["Ingress"])
QUIET = policy("quiet", ns="shop", podSelector={}, policyTypes=["Egress"])


def allow(name: str = "allow", **peer: Any) -> Object:
    return policy(name, podSelector={"matchLabels": {"app": "web"}}, ingress=[{"from": [peer]}])


CLIENTS = allow(namespaceSelector={"matchLabels": {"team": "a"}}, podSelector={"matchLabels": {"app": "client"}})
FRONT = service("web", ip="10.96.0.20", ports=[{"name": "http", "port": 8000, "targetPort": 80}])


class Node(Lab):
    """A lab with both pods and a place outside, the server running in web, a client everywhere else."""

    def __init__(self) -> None:
        super().__init__()
        self.nft = Libnftables(self.path)
        self.serving = self.stack = ExitStack()
        """What runs all the time, and what runs for one test."""
        self.view: NodeView | None = None

    def begin(self) -> None:
        self.start()
        for each in (WEB, CLIENT):
            self.attach(each)
        self.outside = f"{self.node}-far"
        self._netns(self.outside)
        ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.outside, netns=self.node)
        ip("addr", "add", "192.0.2.1/24", "dev", "eth0", netns=self.node)
        ip("addr", "add", "2001:db8:9::1/64", "dev", "eth0", "nodad", netns=self.node)
        ip("link", "set", "eth0", "up", netns=self.node)
        ip("addr", "add", f"{FAR4}/24", "dev", "eth0", netns=self.outside)
        ip("addr", "add", f"{FAR6}/64", "dev", "eth0", "nodad", netns=self.outside)
        ip("link", "set", "eth0", "up", netns=self.outside)
        ip("route", "add", "default", "via", "192.0.2.1", netns=self.outside)
        ip("-6", "route", "add", "default", "via", "2001:db8:9::1", netns=self.outside)
        server = self.serving.enter_context(self.python(self.netns_of(WEB), SERVE))
        assert server.stdout
        assert server.stdout.readline() == "ready\n"

    def talker(self, netns: str) -> subprocess.Popen[str]:
        return self.stack.enter_context(self.python(netns, TALK))

    def apply(self, *objects: Object) -> tuple[Ended, ...]:
        """As the agent does it: the table, and then what ends by it."""
        return self.enforce(seen(*objects))

    def enforce(self, now: NodeView) -> tuple[Ended, ...]:
        delta = plan(self.nft.read(), compile_nft(now))
        if delta:
            self.nft.apply(delta)
        before, self.view = self.view, now
        begun = time.monotonic()
        ended = in_netns(self.path, lambda: end_denied(before, now))
        sys.stderr.write(f"{len(ended)} ended in {time.monotonic() - begun:.3f} s\n")
        return ended


def seen(*objects: Object) -> NodeView:
    given = {(o.metadata.namespace, o.metadata.name, type(o)) for o in objects}
    usual = [o for o in (WEB, CLIENT, SHOP) if (o.metadata.namespace, o.metadata.name, type(o)) not in given]
    found = view_of(world(*usual, *objects))
    cidrs = ("10.244.0.0/24", "fd00:10:244::/64")
    return msgspec.structs.replace(found, node=msgspec.structs.replace(found.node, pod_cidrs=cidrs))


@pytest.fixture(scope="module")
def place() -> Iterator[Node]:
    lab = Node()
    try:
        lab.begin()
        yield lab
    finally:
        lab.serving.close()
        lab.stop()


def clear(place: Node) -> None:
    """Forget every connection."""
    in_netns(place.path, lambda: end(tracked()))


@pytest.fixture
def node(place: Node) -> Iterator[Node]:
    """Nothing is left of the connections of the test before."""
    place.apply()
    clear(place)
    with ExitStack() as place.stack:
        yield place


def open_all(client: subprocess.Popen[str], hosts: dict[int, str]) -> None:
    assert {n: say(client, n, kind, hosts[v]) for n, (kind, v) in WAYS.items()} == dict.fromkeys(WAYS, "pong")


def heard(client: subprocess.Popen[str], hosts: dict[int, str]) -> dict[str, str]:
    return {n: say(client, n, kind, hosts[v]) for n, (kind, v) in WAYS.items()}


def all_of(word: str) -> dict[str, str]:
    return dict.fromkeys(WAYS, word)


@pytest.mark.parametrize(("denies", "side"), [(NOBODY, "ingress"), (QUIET, "egress")], ids=["ingress", "egress"])
def test_every_protocol_and_family_ends_by_either_side(node: Node, denies: Object, side: str) -> None:
    client = node.talker(node.netns_of(CLIENT))
    open_all(client, TO_WEB)
    ended = node.apply(denies)
    assert {(e.connection.protocol, e.side.value) for e in ended} == {("TCP", side), ("UDP", side), ("ICMP", side)}
    assert len(ended) == len(WAYS)
    assert {r.name for e in ended for r in e.rules} == {denies.metadata.name}
    assert heard(client, TO_WEB) == all_of("timeout")


def test_what_comes_from_outside_or_another_node_ends(node: Node) -> None:
    client = node.talker(node.outside)
    open_all(client, TO_WEB)
    assert len(node.apply(CLIENTS)) == len(WAYS)
    assert heard(client, TO_WEB) == all_of("timeout")


def test_what_a_pod_has_opened_to_the_outside_ends_by_its_egress_alone(node: Node) -> None:
    server = node.stack.enter_context(node.python(node.outside, SERVE))
    assert server.stdout
    assert server.stdout.readline() == "ready\n"
    client, hosts = node.talker(node.netns_of(CLIENT)), {4: FAR4, 6: FAR6}
    open_all(client, hosts)
    assert node.apply(policy("deaf", ns="shop", podSelector={}, policyTypes=["Ingress"])) == ()
    assert heard(client, hosts) == all_of("pong")
    assert len(node.apply(QUIET)) == len(WAYS)
    assert heard(client, hosts) == all_of("timeout")


def test_the_nodes_own_connections_to_its_pods_go_on(node: Node) -> None:
    client = node.talker(node.node)
    open_all(client, TO_WEB)
    assert node.apply(NOBODY) == ()
    assert heard(client, TO_WEB) == all_of("pong")


def test_what_a_pod_has_opened_to_the_node_ends_by_its_egress(node: Node) -> None:
    server = node.stack.enter_context(node.python(node.node, SERVE))
    assert server.stdout
    assert server.stdout.readline() == "ready\n"
    client, hosts = node.talker(node.netns_of(CLIENT)), {4: GATEWAY, 6: GATEWAY6}
    open_all(client, hosts)
    assert len(node.apply(QUIET)) == len(WAYS)
    assert heard(client, hosts) == all_of("timeout")


def test_a_connection_through_a_service_is_judged_by_where_it_went(node: Node) -> None:
    behind = endpoint_slice(FRONT, [WEB])
    node.apply(FRONT, behind)
    client = node.talker(node.netns_of(CLIENT))
    assert say(client, "front", "tcp", "10.96.0.20", 8000) == "pong"
    assert node.apply(FRONT, behind, CLIENTS) == ()
    assert say(client, "front", "tcp", "10.96.0.20", 8000) == "pong"
    (ended,) = node.apply(FRONT, behind, NOBODY)
    assert (ended.connection.dialled, ended.connection.destination) == ("10.96.0.20", "10.244.0.2")
    assert say(client, "front", "tcp", "10.96.0.20", 8000) == "timeout"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((CLIENTS,), (CLIENTS, pod("client", ip=CLIENT.addresses, namespace="shop", app="stranger"))),
        ((CLIENTS,), (CLIENTS, OTHER_SHOP)),
        ((allow(podSelector={}, namespaceSelector={}),), (allow(ipBlock={"cidr": "203.0.113.0/24"}),)),
        ((CLIENTS,), (CLIENTS, pod("client", ip="10.244.0.99", namespace="shop", app="client"))),
    ],
    ids=["labels of the pod", "labels of its namespace", "the policy itself", "the address is another pod's now"],
)
def test_whatever_changes_the_verdict_ends_the_connection(
    node: Node, before: tuple[Object, ...], after: tuple[Object, ...]
) -> None:
    node.apply(*before)
    client = node.talker(node.netns_of(CLIENT))
    open_all(client, TO_WEB)
    node.apply(*after)
    assert set(heard(client, TO_WEB).values()) == {"timeout"}


def test_a_policy_that_goes_or_allows_the_same_ends_nothing(node: Node) -> None:
    node.apply(CLIENTS)
    client = node.talker(node.netns_of(CLIENT))
    open_all(client, TO_WEB)
    for objects in ((CLIENTS, allow("more", podSelector={})), (allow("other", namespaceSelector={}),), ()):
        assert node.apply(*objects) == ()
        assert heard(client, TO_WEB) == all_of("pong")


def test_an_agent_that_has_just_started_ends_what_was_denied_meanwhile(node: Node) -> None:
    client = node.talker(node.netns_of(CLIENT))
    open_all(client, TO_WEB)
    node.view = None
    assert node.apply(CLIENTS) == ()
    assert heard(client, TO_WEB) == all_of("pong")
    node.view = None
    assert len(node.apply(NOBODY)) == len(WAYS)


def test_what_policy_keeps_goes_on_and_begins_no_more(node: Node) -> None:
    client = node.talker(node.netns_of(CLIENT))
    open_all(client, TO_WEB)
    now = seen(NOBODY)
    kept = {name: msgspec.structs.replace(found, keeps=True) for name, found in now.sets.items()}
    assert node.enforce(msgspec.structs.replace(now, sets=kept)) == ()
    assert heard(client, TO_WEB) == all_of("pong")
    assert say(client, "second", "tcp", TO_WEB[4]) == "timeout"
    assert len(node.enforce(now)) == len(WAYS)
    assert heard(client, TO_WEB) == all_of("timeout")


def test_a_staged_policy_ends_nothing(node: Node) -> None:
    client = node.talker(node.netns_of(CLIENT))
    open_all(client, TO_WEB)
    now = seen(allow("all", namespaceSelector={}))
    ((name, found),) = now.sets.items()
    closed = PolicySet(id=PolicySetId("staged"), side=found.side, rules=(), isolated_by=(), closed=True)
    staged = msgspec.structs.replace(found, preview=closed.id)
    assert node.enforce(msgspec.structs.replace(now, sets={name: staged, closed.id: closed})) == ()
    assert heard(client, TO_WEB) == all_of("pong")


NOTE: Final = "tandem.io/established"
EVERYONE: Final[list[dict[str, Any]]] = [{"namespaces": {}}]


def tier(name: str, word: str, *, kept: bool = False, **spec: Any) -> Object:
    """A policy of the cluster about web that has this to say of everyone; of tier Admin unless told."""
    subject = {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}}
    rules = [{"action": word, "from": EVERYONE}]
    notes = {NOTE: "keep"} if kept else {}
    return cluster_policy(name, notes=notes, **{"subject": subject, "ingress": rules, **spec})


@pytest.mark.parametrize(
    ("objects", "by"),
    [
        ((tier("lock", "Deny"),), "lock"),
        ((tier("lock", "Deny"), CLIENTS), "lock"),
        ((tier("last", "Deny", tier="Baseline"),), "last"),
        ((tier("pass", "Pass"), tier("last", "Deny", tier="Baseline")), "last"),
        ((tier("pass", "Pass"), NOBODY), "nobody"),
        ((tier("open", "Accept"), NOBODY), ""),
        ((tier("last", "Deny", tier="Baseline"), CLIENTS), ""),
        ((tier("lock", "Deny", kept=True),), ""),
    ],
    ids=["admin", "admin first", "baseline", "passed to it", "passed to isolation", "accepted", "final", "kept"],
)
def test_tiers_end_what_they_deny_and_say_which_rule(node: Node, objects: tuple[Object, ...], by: str) -> None:
    client = node.talker(node.netns_of(CLIENT))
    open_all(client, TO_WEB)
    ended = node.apply(*objects)
    assert {r.name for e in ended for r in e.rules} == ({by} if by else set())
    assert len(ended) == (len(WAYS) if by else 0)
    assert heard(client, TO_WEB) == all_of("timeout" if by else "pong")


def test_an_association_of_sctp_ends(node: Node) -> None:
    """By packets made here: the kernel tracks SCTP also where it has no sockets of it."""
    raw = in_netns(f"/run/netns/{node.netns_of(CLIENT)}", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 132))
    with raw:
        chunk = struct.pack(">BBHIIHHI", 1, 0, 20, 7, 1500, 1, 1, 1)
        raw.sendto(struct.pack(">HHII", 40000, 80, 0, crc32c(struct.pack(">HHII", 40000, 80, 0, 0) + chunk)) + chunk,
                   (TO_WEB[4], 0))  # fmt: skip
    assert [c.protocol for c in of_web(node)] == ["SCTP"]
    (ended,) = node.apply(NOBODY)
    assert (ended.connection.protocol, ended.connection.port) == ("SCTP", 80)
    assert of_web(node) == []


def of_web(node: Node) -> list[Connection]:
    return [c for c in in_netns(node.path, tracked) if c.destination == TO_WEB[4]]


def crc32c(data: bytes) -> int:
    """RFC 9260, appendix A; in the byte order of the wire."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return int.from_bytes((value ^ 0xFFFFFFFF).to_bytes(4, "little"), "big")


MANY = """
import selectors, socket, sys
made = []
for n in range({count}):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", 20000 + n)); s.connect(("10.244.0.2", 80)); s.send(b"x"); made.append(s)
print("ready", flush=True)
sys.stdin.readline()
"""


def test_ten_thousand_connections_end_within_the_bound(node: Node) -> None:
    """The figure is printed; the bound here is for a machine that is busy with other things."""
    many = node.stack.enter_context(node.python(node.netns_of(CLIENT), MANY.replace("{count}", "10000")))
    assert many.stdout
    assert many.stdout.readline() == "ready\n"
    begun = time.monotonic()
    ended = node.apply(NOBODY)
    taken = time.monotonic() - begun
    sys.stderr.write(f"{len(ended)} connections, from the change to the last one ended: {taken:.2f} s\n")
    assert len(ended) > 9_900
    assert of_web(node) == []
    assert taken < 10
