"""The fabric `bridge` on the real kernel: pods of a node share one L2, and policy holds between them all the same."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from builders import pod, policy, world
from netns.podlab import Lab, ip, lab
from nodeviews import view_of
from tandem.base.ids import ContainerId
from tandem.base.netns import in_netns
from tandem.compile.links import compile_node_net, compile_pod_link
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.segment import compile_segment
from tandem.drivers.link.real import KernelLinks
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.ir.network import Network
from tandem.ir.node import NodeView
from tandem.model.meta import Object
from tandem.runtime import sysctls
from tandem.runtime.integrity import damage
from tandem.state.links import HostSide, PodLink

pytestmark = pytest.mark.root

ADDRESSES = {"a": "10.244.0.2", "b": "10.244.0.3", "c": "10.244.0.4"}
PODS = tuple(pod(name, ip=address, app=name) for name, address in ADDRESSES.items())
ONLY_A = policy(
    "only-a",
    podSelector={"matchLabels": {"app": "b"}},
    ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "a"}}}]}],
    policyTypes=["Ingress"],
)
SEGMENT = ("10.244.0.0/24",)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A node with three pods on its bridge."""

    spaces: Lab
    node: str
    links: dict[str, PodLink]
    inet: Libnftables
    bridge: Libnftables

    def enforce(self, *objects: Object) -> None:
        """Put policies in force."""
        view = self.view(*objects)
        segment = compile_segment(view)
        assert segment is not None
        for driver, wanted in ((self.inet, compile_nft(view)), (self.bridge, segment)):
            driver.apply(plan(driver.read(), wanted))

    def view(self, *objects: Object) -> NodeView:
        view = view_of(world(*PODS, *objects))
        config = msgspec.structs.replace(view.config, network=Network(fabric="bridge"))
        pods = [
            msgspec.structs.replace(
                attached,
                host_ifname=self.links[attached.pod.name].host_ifname,
                mac=self.links[attached.pod.name].mac,
                segment=True,
            )
            for attached in view.pods
        ]
        return msgspec.structs.replace(view, config=config, pods=tuple(pods))

    def in_netns(self, name: str, work: Callable[[], object]) -> object:
        return in_netns(self.spaces.path(name), work)

    def reaches(self, one: str, other: str) -> bool:
        """Whether a TCP connection can be made."""
        server = in_netns(self.spaces.path(other), lambda: socket.create_server((ADDRESSES[other], 0)))
        port = server.getsockname()[1]

        def dial() -> bool:
            try:
                socket.create_connection((ADDRESSES[other], port), 0.5).close()
            except OSError:
                return False
            return True

        with server:
            return in_netns(self.spaces.path(one), dial)

    def heard(self, one: str, *others: str, to: str = "255.255.255.255") -> set[str]:
        """Which of the others get a broadcast datagram of `one`."""
        ears = {name: in_netns(self.spaces.path(name), _ear) for name in others}
        in_netns(self.spaces.path(one), lambda: _shout(to))
        found = {name for name, ear in ears.items() if _gets(ear)}
        for ear in ears.values():
            ear.close()
        return found

    def neighbour(self, one: str, other: str) -> str:
        """The MAC address that `one` has learnt of another."""
        words = ip(self.spaces.path(one), "neighbour", "show", ADDRESSES[other]).split()
        return words[words.index("lladdr") + 1] if "lladdr" in words else ""

    def send_frame(self, one: str, frame: bytes) -> None:
        def send() -> None:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
                sock.bind(("eth0", 0))
                sock.send(frame)

        in_netns(self.spaces.path(one), send)

    def gets_frame(self, name: str, kind: int, send: Callable[[], None]) -> bool:
        """Whether a pod gets a frame of an ethertype."""

        def listen() -> socket.socket:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
            sock.bind(("eth0", kind))
            sock.settimeout(0.4)
            return sock

        with in_netns(self.spaces.path(name), listen) as sock:
            send()
            return _gets(sock)


def _ear() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", 9999))
    sock.settimeout(0.4)
    return sock


def _shout(to: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.sendto(b"hello", (to, 9999))


def _gets(sock: socket.socket) -> bool:
    try:
        sock.recv(2048)
    except TimeoutError:
        return False
    return True


def raw(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def datagram(source: PodLink, mac: str, *, to: str, claiming: str = "", tag: bytes = b"") -> bytes:
    """A frame with a datagram to port 9999; it may claim to come from another address."""
    ends = socket.inet_aton(claiming or source.addresses[0]), socket.inet_aton(to)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 32, 1, 0, 64, 17, 0, *ends)
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    header = header[:10] + struct.pack("!H", ~total & 0xFFFF) + header[12:]
    return raw(mac) + raw(source.mac) + tag + b"\x08\x00" + header + struct.pack("!HHHH", 1, 9999, 12, 0) + b"evil"


@pytest.fixture(params=["1", "0"], ids=["with br_netfilter", "without"])
def segment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Segment]:
    """Twice: `net.bridge.bridge-nf-call-iptables` is the machine's own business, and both ways are common."""
    with lab() as spaces:
        node = spaces.add("node")
        host = HostSide(node="n", sources=("10.244.0.1",), mtu=1500, segment=SEGMENT)
        links = {
            name: compile_pod_link(ContainerId(name), "eth0", addresses=(address,), host=host)
            for name, address in ADDRESSES.items()
        }
        made = Segment(
            spaces=spaces, node=node, links=links, inet=Libnftables(node), bridge=Libnftables(node, family="bridge")
        )

        async def wire() -> None:
            driver = KernelLinks(tmp_path, node_netns=node)
            await driver.set_sysctls({"net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": request.param})
            await driver.apply_node(compile_node_net(made.view()))
            for name, link in links.items():
                await driver.create(link, spaces.add(name))
            made.enforce()
            for name, link in links.items():
                await driver.open(link, spaces.path(name))
            await driver.close()

        asyncio.run(wire())
        yield made


def test_pods_of_one_node_share_an_l2(segment: Segment) -> None:
    assert segment.reaches("a", "b")
    assert segment.neighbour("a", "b") == segment.links["b"].mac
    assert segment.heard("a", "b", "c") == {"b", "c"}
    assert segment.heard("a", "b", "c", to="10.244.0.255") == {"b", "c"}
    other = raw("ff:ff:ff:ff:ff:ff") + raw(segment.links["a"].mac) + struct.pack("!H", 0x88B5) + bytes(46)
    assert segment.gets_frame("b", 0x88B5, lambda: segment.send_frame("a", other))


@pytest.mark.parametrize("level", ["1", "2"], ids=["strict", "loose"])
def test_path_checks_of_the_machine_stay_with_its_own_links_and_pods_reach_the_node(
    segment: Segment, level: str
) -> None:
    """Distributions set `net.ipv4.conf.all.rp_filter`, which counts for the bridge as well."""
    node, pod = segment.node, segment.spaces.path("a")

    def sysctl(*words: str) -> str:
        argv = ["ip", "netns", "exec", Path(node).name, "sysctl", *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    def answered() -> bool:
        ping = ["ip", "netns", "exec", Path(pod).name, "busybox", "ping", "-c", "1", "-W", "1", "10.244.0.1"]
        return subprocess.run(ping, check=False, capture_output=True).returncode == 0

    def reaches_node() -> bool:
        """Who was not found while answers were dropped is looked for again a second later."""
        return any(answered() for _ in range(5))

    async def settle(driver: KernelLinks) -> None:
        await driver.set_sysctls(in_netns(node, sysctls.wanted_for_segment))
        assert in_netns(node, sysctls.wanted_for_segment) == {}

    async def others_set_it(driver: KernelLinks) -> None:
        (found,) = await driver.check(segment.links["a"], pod)
        assert found == f"of the node, all has the setting rp_filter {level} of ipv4, not 0"
        await driver.repair(segment.links["a"], pod)

    def drive(work: Callable[[KernelLinks], Awaitable[None]]) -> None:
        async def main() -> None:
            driver = KernelLinks(Path("/nonexistent"), node_netns=node)
            await work(driver)
            await driver.close()

        asyncio.run(main())

    ip(node, "link", "add", "uplink.7", "type", "veth", "peer", "name", "far0")
    sysctl("-qw", f"net.ipv4.conf.all.rp_filter={level}", "net.ipv4.conf.uplink/7.rp_filter=0")
    assert not answered()
    drive(settle)
    assert reaches_node()
    assert sysctl("-n", "net.ipv4.conf.uplink/7.rp_filter", "net.ipv4.conf.default.rp_filter").split() == [level, level]
    sysctl("-qw", f"net.ipv4.conf.all.rp_filter={level}")
    drive(others_set_it)
    assert reaches_node()


def test_policy_holds_between_pods_of_one_bridge(segment: Segment) -> None:
    segment.enforce(ONLY_A)
    assert segment.reaches("a", "b")
    assert not segment.reaches("c", "b")
    assert segment.reaches("c", "a")
    assert segment.heard("c", "a", "b") == {"a"}
    other = raw("ff:ff:ff:ff:ff:ff") + raw(segment.links["c"].mac) + struct.pack("!H", 0x88B5) + bytes(46)
    assert not segment.gets_frame("b", 0x88B5, lambda: segment.send_frame("c", other))
    segment.enforce()
    assert segment.reaches("c", "b")


def test_a_policy_cannot_be_gone_round_by_frames_to_the_pods_own_mac_address(segment: Segment) -> None:
    segment.enforce(ONLY_A)
    frame = datagram(segment.links["c"], segment.links["b"].mac, to=ADDRESSES["b"])
    ear = in_netns(segment.spaces.path("b"), _ear)
    with ear:
        segment.send_frame("c", frame)
        assert not _gets(ear)
        segment.enforce()
        segment.send_frame("c", frame)
        assert _gets(ear)


def test_nobody_speaks_in_anothers_name(segment: Segment) -> None:
    everyone, mine = raw("ff:ff:ff:ff:ff:ff"), raw(segment.links["c"].mac)

    def arp(source: bytes, sender: str) -> bytes:
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + source + socket.inet_aton(sender) + bytes(6)
        return everyone + source + b"\x08\x06" + body + socket.inet_aton(ADDRESSES["b"])

    def passes(frame: bytes) -> bool:
        return segment.gets_frame("b", 0x0806, lambda: segment.send_frame("c", frame))

    assert passes(arp(mine, ADDRESSES["c"]))
    assert not passes(arp(mine, ADDRESSES["a"]))
    assert not passes(arp(raw(segment.links["a"].mac), ADDRESSES["a"]))
    subprocess.run(
        ["ip", "-n", Path(segment.spaces.path("c")).name, "address", "add", "10.244.0.77/24", "dev", "eth0"], check=True
    )

    def shout() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.bind(("10.244.0.77", 0))
            sock.sendto(b"hello", ("255.255.255.255", 9999))

    ear = in_netns(segment.spaces.path("b"), _ear)
    with ear:
        in_netns(segment.spaces.path("c"), shout)
        assert not _gets(ear)


TAGS = {"802.1Q": b"\x81\x00\x00\x00", "802.1ad": b"\x88\xa8\x00\x00", "twice": b"\x81\x00\x00\x00" * 2}
"""Of VLAN 0, that is of none: whoever gets such a frame takes what is in it as if there were no tag."""


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_hides_no_address(segment: Segment, tag: str) -> None:
    segment.enforce(ONLY_A)
    bridge = segment.in_netns("b", _hardware_of_gateway)
    with in_netns(segment.spaces.path("b"), _ear) as isolated, in_netns(segment.spaces.path("a"), _ear) as free:
        for to, ear in (("b", isolated), ("a", free)):
            # To the pod itself, and to the node that hands it on.
            for mac in (segment.links[to].mac, str(bridge)):
                claiming = "10.244.0.2" if to == "b" else ADDRESSES["b"]
                frame = datagram(segment.links["c"], mac, to=ADDRESSES[to], claiming=claiming, tag=TAGS[tag])
                segment.send_frame("c", frame)
            assert not _gets(ear)


def _hardware_of_gateway() -> str:
    found = subprocess.run(["ip", "neighbour", "show", "169.254.1.1"], check=True, capture_output=True, text=True)
    words = found.stdout.split()
    return words[words.index("lladdr") + 1]


def test_the_nodes_loopback_is_not_to_be_had_from_the_bridge(segment: Segment) -> None:
    ip(segment.node, "link", "set", "lo", "up")

    def node_gets(address: str) -> bool:
        with in_netns(segment.node, _ear) as ear:
            segment.send_frame("a", datagram(segment.links["a"], segment.links["a"].host_mac, to=address))
            return _gets(ear)

    assert node_gets("10.244.0.1")
    assert not node_gets("127.0.0.1")


def test_check_names_what_is_missing_in_the_table_of_the_bridge(segment: Segment) -> None:
    def missing() -> str:
        view = segment.view()
        container = next(a.container_id for a in view.pods if a.pod.name == "b")
        return "; ".join(in_netns(segment.node, lambda: asyncio.run(damage(view, container))))

    link = segment.links["b"]
    assert missing() == ""
    gone = f"{{ {link.host_ifname} . {link.mac} }}"
    netns = ["ip", "netns", "exec", Path(segment.node).name]
    subprocess.run([*netns, "nft", "delete", "element", "bridge", "tandem", "ports", gone], check=True)
    assert missing() == f"set ports of the node's table bridge tandem lacks {link.host_ifname} . {link.mac}"
    subprocess.run([*netns, "nft", "delete", "table", "bridge", "tandem"], check=True)
    assert "the node's table bridge tandem lacks the chain from-pod" in missing()
