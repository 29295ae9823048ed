"""Host ports, limits and CHECK's look at the table, on a real kernel: a node, a pod behind its link, a host outside."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from meshbuild import CONFIG
from netns.cnilab import answering, dial
from netns.podlab import Lab, ip, lab, unmount_all
from nodeviews import node
from tandem.base.ids import ContainerId, PodUid, PolicySetId, SpiffeId
from tandem.base.netns import in_netns
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.links import compile_node_net, compile_pod_link
from tandem.compile.nft.capture import compile_capture
from tandem.compile.nft.node import compile_nft
from tandem.drivers.link.real import KernelLinks
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.ir.fabric import LocalPod
from tandem.ir.node import AttachedPod, NodeView, PortMapping
from tandem.ir.policy import Anyone, PolicySet, Rule, Side
from tandem.runtime.hostports import flush_udp
from tandem.runtime.integrity import damage
from tandem.state.links import HostSide, LinkOptions, PodLink, Shaping

pytestmark = pytest.mark.root
C, POD, NODE, OUTSIDE = ContainerId("c1"), "10.244.0.5", "192.168.77.1", "192.168.77.2"
POD6, GATE6, NODE6, OUTSIDE6 = "fd00:10:244::5", "fd00:10:244::1", "fd00:77::1", "fd00:77::2"
WEB = PortMapping(host_port=8080, container_port=80)
ECHO = PortMapping(host_port=5300, container_port=53, protocol="udp")
INIT = struct.pack(">BBHIIHHI", 1, 0, 20, 7, 65536, 1, 1, 7)
INIT_ACK = struct.pack(">BBHIIHHI", 2, 0, 20, 9, 65536, 1, 1, 9)
"""Chunks of RFC 9260, 3.3.2 and 3.3.3: type, flags, length, initiate tag, window, streams out and in, first TSN."""
SET = PolicySetId("0123456789ab")
ALL = Rule(peers=(Anyone(),), origin=Origin(kind="NetworkPolicy", namespace="shop", name="all"))


@dataclass
class Place:
    """One node with one pod; `apply` puts a view's rules in force, as the agent's kernel loop does."""

    node: str
    pod: str
    outside: str
    nft: Libnftables
    link: PodLink
    view: NodeView

    def apply(self, *mappings: PortMapping, meshed: bool = False) -> None:
        (pod,) = self.view.pods
        pod = msgspec.structs.replace(
            pod, port_mappings=mappings, pod=msgspec.structs.replace(pod.pod, meshed=meshed, ingress=SET)
        )
        now = msgspec.structs.replace(self.view, pods=(pod,))
        delta = plan(self.nft.read(), compile_nft(now))
        if delta:
            self.nft.apply(delta)
        before, self.view = self.view, now
        in_netns(self.node, lambda: flush_udp(before, now))

    def missing(self) -> str:
        return "; ".join(in_netns(self.node, lambda: asyncio.run(damage(self.view, C))))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with lab() as spaces:
        try:
            yield built(spaces, tmp_path)
        finally:
            unmount_all(tmp_path)


def built(spaces: Lab, pins: Path) -> Place:
    home, pod, outside = spaces.add("node"), spaces.add("pod"), spaces.add("out")
    ip(home, "link", "add", "up0", "type", "veth", "peer", "name", "up0", "netns", Path(outside).name)
    for netns, address, six in ((home, NODE, NODE6), (outside, OUTSIDE, OUTSIDE6)):
        ip(netns, "address", "add", f"{address}/24", "dev", "up0")
        ip(netns, "address", "add", f"{six}/64", "dev", "up0", "nodad")
        ip(netns, "link", "set", "up0", "up")
        ip(netns, "link", "set", "lo", "up")
    options = LinkOptions(shaping=Shaping(ingress_rate=8_000_000, ingress_burst=160_000), from_loopback=True)
    host = HostSide(node="node-1", sources=("10.244.0.1", GATE6), mtu=1500)
    link = compile_pod_link(C, "eth0", addresses=(POD, POD6), host=host, options=options)
    local = LocalPod(
        uid=PodUid("u"),
        namespace="shop",
        name="web",
        service_account="default",
        identity=SpiffeId("spiffe://cluster.local/ns/shop/sa/default"),
    )
    attached = AttachedPod(pod=local, container_id=C, addresses=(POD, POD6), host_ifname=link.host_ifname, netns=pod)
    allowed = PolicySet(id=SET, side=Side.INGRESS, rules=(ALL,), isolated_by=(ALL.origin,))
    view = NodeView(
        node=node("node-1", "10.244.0.0/24", "fd00:10:244::/64"), config=CONFIG, pods=(attached,), sets={SET: allowed}
    )

    async def linked() -> None:
        driver = KernelLinks(pins, node_netns=home)
        await driver.set_sysctls({"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"})
        await driver.apply_node(compile_node_net(view))
        await driver.create(link, pod)
        await driver.open(link, pod)
        await driver.close()

    asyncio.run(linked())
    return Place(home, pod, outside, Libnftables(home), link, view)


@pytest.mark.parametrize(
    ("where", "address", "client"),
    [
        ("outside", NODE, OUTSIDE),
        ("node", NODE, NODE),
        ("node", "127.0.0.1", "10.244.0.1"),
        ("pod", NODE, "10.244.0.1"),
        ("outside", NODE6, OUTSIDE6),
        ("node", NODE6, NODE6),
        ("pod", NODE6, GATE6),
    ],
)
def test_a_host_port_leads_to_the_pod(place: Place, where: str, address: str, client: str) -> None:
    place.apply(WEB)
    with answering(place.pod) as clients:
        dial(str(getattr(place, where)), address, 8080)
    assert clients == [client]


def test_a_host_port_of_one_family_is_closed_in_the_other(place: Place) -> None:
    place.apply(msgspec.structs.replace(WEB, host_ip="::"))
    with pytest.raises(ConnectionRefusedError):
        dial(place.outside, NODE, 8080)
    with answering(place.pod) as clients:
        dial(place.outside, NODE6, 8080)
    assert clients == [OUTSIDE6]


def test_loopback_of_ipv6_stays_with_the_node(place: Place) -> None:
    place.apply(WEB)
    with pytest.raises(ConnectionRefusedError):
        dial(place.node, "::1", 8080)


def test_a_pod_cannot_reach_the_nodes_loopback_by_its_link(place: Place) -> None:
    place.apply(WEB)
    ip(place.pod, "rule", "add", "pref", "0", "to", "127.0.0.0/8", "lookup", "77")
    ip(place.pod, "route", "add", "127.0.0.1", "via", "169.254.1.1", "dev", "eth0", "table", "77")
    counter = "list chain inet tandem hostport-guard"

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            sender.bind((POD, 0))
            sender.sendto(b"x", ("127.0.0.1", 9))

    try:
        in_netns(place.pod, send)
    except OSError:
        return  # the pod's own kernel refuses already
    assert "packets 0" not in nft(place.node, counter)


def test_a_port_that_is_given_back_is_closed(place: Place) -> None:
    place.apply(WEB)
    place.apply()
    with pytest.raises(ConnectionRefusedError):
        dial(place.outside, NODE, 8080)
    assert "hostport" not in nft(place.node, "list table inet tandem")


def test_a_udp_sender_that_never_pauses_reaches_a_port_that_came_later_and_leaves_one_that_went(place: Place) -> None:
    place.apply()
    pod = in_netns(place.pod, lambda: udp_server(53))
    sender = in_netns(place.outside, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with pod, sender:
        sender.sendto(b"early", (NODE, 5300))
        place.apply(ECHO)
        sender.sendto(b"mapped", (NODE, 5300))
        assert pod.recv(100) == b"mapped"
        place.apply()
        sender.sendto(b"late", (NODE, 5300))
        pod.settimeout(0.3)
        with pytest.raises(TimeoutError):
            pod.recv(100)


def test_a_host_port_of_sctp_leads_to_the_pod_and_its_answers_come_from_there(place: Place) -> None:
    """By packets made here: the kernel tracks SCTP also where it has no sockets of it."""
    place.apply(PortMapping(host_port=3868, container_port=3869, protocol="sctp"))
    pod, outside = (in_netns(n, sctp_socket) for n in (place.pod, place.outside))
    with pod, outside:
        outside.sendto(sctp(40000, 3868, INIT), (NODE, 0))
        arrived, (client, _) = pod.recvfrom(2048)
        chunk = opened(arrived)
        assert (client, chunk) == (OUTSIDE, (40000, 3869, INIT))
        pod.sendto(sctp(3869, 40000, INIT_ACK), (OUTSIDE, 0))
        answered, (server, _) = outside.recvfrom(2048)
        assert (server, opened(answered)) == (NODE, (3868, 40000, INIT_ACK))


def sctp_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
    made.settimeout(10)
    return made


def sctp(source: int, target: int, chunk: bytes) -> bytes:
    """A packet of RFC 9260: common header, one chunk, and the right checksum, which connection tracking looks at."""
    tag = 0 if chunk == INIT else 7
    bare = struct.pack(">HHII", source, target, tag, 0) + chunk
    return bare[:8] + struct.pack("<I", crc32c(bare)) + bare[12:]


def opened(packet: bytes) -> tuple[int, int, bytes]:
    """Ports and chunk of a packet as it arrived, IP header first; its checksum must be right."""
    body = packet[(packet[0] & 15) * 4 :]
    source, target, _, _ = struct.unpack_from(">HHII", body)
    assert struct.unpack_from("<I", body, 8)[0] == crc32c(body[:8] + b"\0\0\0\0" + body[12:])
    return source, target, body[12:]


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for octet in data:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def udp_server(port: int) -> socket.socket:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("", port))
    server.settimeout(10)
    return server


def test_a_pod_receives_no_faster_than_its_limit(place: Place) -> None:
    place.apply(WEB)
    octets = 1_000_000
    with answering(place.outside, b"x" * octets):
        begun = time.monotonic()
        got = in_netns(place.pod, lambda: received(OUTSIDE))
        taken = time.monotonic() - begun
    assert got == octets
    assert taken >= (octets - 160_000 / 8) * 8 / 8_000_000 * 0.9


def received(address: str) -> int:
    with socket.create_connection((address, 80), timeout=60) as connection:
        total = 0
        while data := connection.recv(1 << 16):
            total += len(data)
    return total


def nft(netns: str, command: str) -> str:
    argv = ["ip", "netns", "exec", Path(netns).name, "nft", *command.split()]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def capture(place: Place) -> Libnftables:
    driver = Libnftables(place.pod)
    driver.apply(plan(None, compile_capture(place.view, place.view.pods[0])))
    return driver


def test_everything_that_was_compiled_is_found(place: Place) -> None:
    place.apply(WEB, ECHO)
    assert place.missing() == ""


def test_in_the_mesh_redirection_and_envoys_sockets_are_looked_for(place: Place) -> None:
    place.apply(WEB, meshed=True)
    driver = capture(place)
    ports = (names.INBOUND_PORT, names.OUTBOUND_PORT)
    sockets = [
        in_netns(place.pod, lambda p=port, f=kind: socket.create_server(("", p), family=f))  # type: ignore[misc]
        for port in ports
        for kind in (socket.AF_INET, socket.AF_INET6)
    ]
    assert place.missing() == ""
    sockets.pop().close()
    assert "Envoy does not listen on port 15001 (outbound) of IPv6" in place.missing()
    for left in sockets:
        left.close()
    driver.remove()
    assert "the pod's table inet tandem lacks the chain" in place.missing()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (f"delete element inet tandem links4 {{ LINK . {POD} }}", "set links4"),
        (f"delete element inet tandem ingress4 {{ LINK . {POD} }}", "map ingress4"),
        (f"delete element inet tandem links6 {{ LINK . {POD6} }}", "set links6"),
        (f"delete element inet tandem ingress6 {{ LINK . {POD6} }}", "map ingress6"),
        ("delete element inet tandem hostport4 { tcp . 8080 }", "map hostport4"),
        ("flush chain inet tandem source-check", "chain source-check"),
        (f"flush chain inet tandem ps-{SET}", f"chain ps-{SET}"),
        ("flush chain inet tandem hostport-prerouting", "chain hostport-prerouting"),
        ("delete table inet tandem", "lacks the chain"),
    ],
)
def test_each_kind_of_damage_to_the_nodes_table_is_named(place: Place, command: str, words: str) -> None:
    place.apply(WEB)
    nft(place.node, command.replace("LINK", place.link.host_ifname))
    assert words in place.missing()
