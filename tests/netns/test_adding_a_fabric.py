"""docs/extending/adding-a-fabric.md is true: its module is loaded as it stands there and carries packets."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from meshbuild import CONFIG
from netns.podlab import ip, lab
from tandem.base.ids import NodeName
from tandem.base.netns import in_netns
from tandem.compile.fabric import BY_NAME
from tandem.compile.fabric.interface import Fabric
from tandem.compile.links import compile_node_net
from tandem.drivers.link.real import KernelLinks
from tandem.drivers.probe.real import RawProber
from tandem.ir.fabric import Node
from tandem.ir.network import Network
from tandem.ir.node import NodeView

PAGE = Path(__file__).parents[2] / "docs" / "extending" / "adding-a-fabric.md"
ADDRESSES = {1: "192.0.2.1", 2: "192.0.2.2", 3: "198.51.100.3"}
NODES: dict[str, Node] = {
    f"node-{n}": Node(name=NodeName(f"node-{n}"), addresses=(address,), pod_cidrs=(f"10.244.{n}.0/24",))
    for n, address in ADDRESSES.items()
}


@pytest.fixture
def mixed(monkeypatch: pytest.MonkeyPatch) -> Fabric:
    """The module of the page, in the list as the page says."""
    (source,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    space: dict[str, Any] = {}
    exec(compile(source, str(PAGE), "exec"), space)  # noqa: S102 - our own page
    found: Fabric = space["MIXED"]
    monkeypatch.setitem(BY_NAME, found.name, found)
    return found


def seen_by(name: str, fabric: Fabric) -> NodeView:
    config = msgspec.structs.replace(CONFIG, network=Network(fabric=fabric.name))
    return NodeView(node=NODES[name], config=config, nodes=NODES)


def test_a_near_node_is_a_next_hop_and_a_far_one_is_behind_the_tunnel(mixed: Fabric) -> None:
    routes = {r.prefix: r for r in compile_node_net(seen_by("node-1", mixed)).routes}
    assert (routes["10.244.2.0/24"].via, routes["10.244.2.0/24"].dev) == ("192.0.2.2", "")
    assert (routes["10.244.3.0/24"].via, routes["10.244.3.0/24"].dev) == ("10.244.3.1", "tandem-vx")
    assert {r.mtu for r in routes.values() if r.via} == {1450}


@pytest.fixture
def underlay() -> Iterator[dict[str, str]]:
    """Three nodes in two subnets, and a router that knows nothing of pods."""
    with lab() as spaces:
        router = spaces.add("router")
        ip(router, "link", "add", "br0", "type", "bridge")
        ip(router, "link", "set", "br0", "up")
        ip(router, "address", "add", "192.0.2.254/24", "dev", "br0")
        found = {}
        for number, address in ADDRESSES.items():
            node = found[f"node-{number}"] = spaces.add(f"node{number}")
            peer = ["peer", "name", "eth0", "netns", Path(node).name]
            ip(router, "link", "add", f"r{number}", "type", "veth", *peer)
            ip(router, "link", "set", f"r{number}", *(("master", "br0") if number < 3 else ()), "up")
            ip(node, "address", "add", f"{address}/24", "dev", "eth0")
            ip(node, "link", "set", "eth0", "up")
            ip(node, "route", "add", "default", "via", address.rpartition(".")[0] + ".254")
        ip(router, "address", "add", "198.51.100.254/24", "dev", "r3")
        forward = ["sysctl", "-qw", "net.ipv4.ip_forward=1"]
        subprocess.run(["ip", "netns", "exec", Path(router).name, *forward], check=True)
        yield found


@pytest.mark.root
def test_packets_of_full_size_reach_both(mixed: Fabric, underlay: dict[str, str], tmp_path: Path) -> None:
    async def apply() -> None:
        for name, netns in underlay.items():
            driver = KernelLinks(tmp_path, node_netns=netns)
            assert await driver.apply_node(compile_node_net(seen_by(name, mixed))) == ()
            await driver.close()

    asyncio.run(apply())
    asked = {"10.244.2.1": 1450, "10.244.3.1": 1450}
    answered = in_netns(underlay["node-1"], lambda: RawProber().echo(asked, 5.0))
    assert answered == asked.keys()
    (link,) = json.loads(ip(underlay["node-1"], "-json", "-s", "link", "show", "tandem-vx"))
    assert (link["stats64"]["tx"]["packets"], link["stats64"]["tx"]["bytes"]) == (1, 1450)
