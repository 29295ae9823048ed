"""Two nodes on one underlay: pods reach each other by the nodes' routes, also after a prefix has moved."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import pytest

from meshbuild import CONFIG
from netns.cnilab import answering, dial
from netns.podlab import Lab, ip, lab
from tandem.base.ids import ContainerId, NodeName
from tandem.base.netns import in_netns
from tandem.compile.links import compile_node_net, compile_pod_link
from tandem.drivers.link.real import KernelLinks
from tandem.drivers.probe.real import RawProber
from tandem.ir.fabric import Node
from tandem.ir.network import Network
from tandem.ir.node import NodeView
from tandem.state.links import HostSide

pytestmark = pytest.mark.root
NODES = {
    f"node-{n}": Node(name=NodeName(f"node-{n}"), addresses=(f"192.0.2.{n}",), pod_cidrs=(f"10.244.{n}.0/24",))
    for n in (1, 2)
}


@pytest.fixture
def underlay() -> Iterator[tuple[Lab, list[str]]]:
    with lab() as spaces:
        nodes = [spaces.add("node1"), spaces.add("node2")]
        peer = ["peer", "name", "under", "netns", Path(nodes[1]).name]
        subprocess.run(["ip", "-n", Path(nodes[0]).name, "link", "add", "under", "type", "veth", *peer], check=True)
        for n, node in enumerate(nodes, 1):
            ip(node, "addr", "add", f"192.0.2.{n}/24", "dev", "under")
            ip(node, "link", "set", "under", "up")
        yield spaces, nodes


async def wire(links: KernelLinks, name: str, *, pod: str, address: str, nodes: dict[str, Node]) -> None:
    view = NodeView(node=nodes[name], config=CONFIG, nodes=nodes)
    net = compile_node_net(view)
    await links.set_sysctls({"net.ipv4.ip_forward": "1"})
    await links.apply_node(net)
    host = HostSide(node=name, sources=net.addresses, mtu=await links.underlay_mtu())
    link = compile_pod_link(ContainerId(name), "eth0", addresses=(address,), host=host)
    await links.create(link, pod)
    await links.open(link, pod)


def answering_probes(netns: str, far: dict[str, int]) -> frozenset[str]:
    """Who answers; the first packet may be lost while the kernel has not noticed yet that a link came up."""
    found: frozenset[str] = frozenset()
    for _ in range(5):
        if found != far.keys():
            found = in_netns(netns, partial(RawProber().echo, far, 1.0))
    return found


def test_pods_of_two_nodes_reach_each_other_under_their_own_addresses(
    underlay: tuple[Lab, list[str]], tmp_path: Path
) -> None:
    spaces, nodes = underlay
    pods = [spaces.add("pod1"), spaces.add("pod2")]

    async def main() -> None:
        for n in (1, 2):
            links = KernelLinks(tmp_path, node_netns=nodes[n - 1])
            await wire(links, f"node-{n}", pod=pods[n - 1], address=f"10.244.{n}.5", nodes=NODES)
            await links.close()

    asyncio.run(main())
    with answering(pods[1]) as clients:
        dial(pods[0], "10.244.2.5")
    assert clients == ["10.244.1.5"]


def test_a_prefix_that_moves_follows_its_node(underlay: tuple[Lab, list[str]], tmp_path: Path) -> None:
    _, nodes = underlay
    moved = NODES | {"node-2": Node(name=NodeName("node-2"), addresses=("192.0.2.9",), pod_cidrs=("10.244.2.0/24",))}

    async def main() -> list[str]:
        links, seen = KernelLinks(tmp_path, node_netns=nodes[0]), []
        for known in (NODES, moved, {"node-1": NODES["node-1"]}):
            await links.apply_node(compile_node_net(NodeView(node=NODES["node-1"], config=CONFIG, nodes=known)))
            seen.append(ip(nodes[0], "route", "show", "10.244.2.0/24").strip())
        await links.close()
        return seen

    first, second, third = asyncio.run(main())
    assert "via 192.0.2.2" in first
    assert "via 192.0.2.9" in second
    assert third == ""


def test_a_fabric_takes_over_from_another_in_both_families(underlay: tuple[Lab, list[str]], tmp_path: Path) -> None:
    _, nodes = underlay
    known = dual(nodes, "192.0.2.{}", "2001:db8::{}")
    for fabric, length, device in (("routed", 1500, "under"), ("vxlan", 1450, "tandem-vx")) * 2:
        asyncio.run(connect(nodes, known, fabric, tmp_path))
        assert f"dev {device} " in ip(nodes[0], "route", "get", "fd00:2::1")
        far = {"10.244.2.1": length, "fd00:2::1": length}
        assert answering_probes(nodes[0], far) == far.keys()


def test_an_underlay_of_ipv6_alone_carries_pods_of_both_families(
    underlay: tuple[Lab, list[str]], tmp_path: Path
) -> None:
    _, nodes = underlay
    asyncio.run(connect(nodes, dual(nodes, "2001:db8::{}"), "vxlan", tmp_path))
    far = {"10.244.2.1": 1430, "fd00:2::1": 1430}
    assert answering_probes(nodes[0], far) == far.keys()
    assert in_netns(nodes[0], partial(RawProber().echo, dict.fromkeys(far, 1431), 0.3)) == frozenset()


def test_what_is_for_all_does_not_enter_the_tunnel_and_nobody_is_asked_for_an_address(
    underlay: tuple[Lab, list[str]], tmp_path: Path
) -> None:
    _, nodes = underlay
    known = dual(nodes, "192.0.2.{}")
    asyncio.run(connect(nodes, known, "vxlan", tmp_path))

    def shout() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind(("tandem-vx", 0))
            for to in (b"\xff" * 6, b"\x33\x33\0\0\0\1", b"\x02" * 6):
                sock.send(to + b"\x02\0\0\0\0\7" + b"\x08\x06" + bytes(46))

    with in_netns(nodes[1], listen_to_underlay) as frames:
        in_netns(nodes[0], shout)
        far = {"10.244.2.1": 100, "fd00:2::1": 100}
        assert answering_probes(nodes[0], far) == far.keys()
        inner = [frame[50:64] for frame in waiting(frames) if frame[36:38] == (4789).to_bytes(2, "big")]
    macs = [json.loads(ip(n, "-j", "link", "show", "tandem-vx"))[0]["address"].replace(":", "") for n in nodes]
    assert {frame[:6].hex() for frame in inner} == set(macs)
    assert {frame[12:14].hex() for frame in inner} == {"0800", "86dd"}


def listen_to_underlay() -> socket.socket:
    """Every frame in both directions."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
    sock.bind(("under", 3))
    return sock


def waiting(sock: socket.socket) -> Iterator[bytes]:
    sock.settimeout(0.2)
    with suppress(TimeoutError):
        while True:
            yield sock.recv(2048)


def dual(nodes: list[str], *addresses: str) -> dict[str, Node]:
    """Nodes with pods of both families, on the underlay with these addresses."""
    for n, netns in enumerate(nodes, 1):
        ip(netns, "addr", "add", f"2001:db8::{n}/64", "dev", "under", "nodad")
    return {
        f"node-{n}": Node(
            name=NodeName(f"node-{n}"),
            addresses=tuple(address.format(n) for address in addresses),
            pod_cidrs=(f"10.244.{n}.0/24", f"fd00:{n}::/64"),
        )
        for n in (1, 2)
    }


async def connect(nodes: list[str], known: dict[str, Node], fabric: str, pins: Path) -> None:
    config = msgspec.structs.replace(CONFIG, network=Network(fabric=fabric))
    for name, netns in zip(known, nodes, strict=True):
        links = KernelLinks(pins, node_netns=netns)
        net = compile_node_net(NodeView(node=known[name], config=config, nodes=known))
        assert await links.apply_node(net) == ()
        assert await links.apply_node(net) == ()
        await links.close()
