"""Which links lead to others than pods of the node: the fake's word, and the kernel's routes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from netns.podlab import ip, lab
from tandem.drivers.link.fake import FakeLinks
from tandem.drivers.link.real import KernelLinks

WAYS = (
    # A route of two ways, one of ours to another node's pods, of BIRD, and one that is neither.
    "default nexthop via 192.0.2.1 dev up0 nexthop via 198.51.100.1 dev up1",
    "10.244.2.0/24 via 203.0.113.2 dev up2 proto 116",
    "10.244.3.0/24 dev up3 proto bird",
    "10.9.0.0/24 dev up4",
    "10.244.4.0/24 dev up5 proto 116 table 77",
)


@pytest.mark.root
def test_links_of_default_routes_and_of_routes_between_nodes_lead_to_others(tmp_path: Path) -> None:
    with lab() as spaces:
        node = spaces.add("node")
        for number, address in enumerate(("192.0.2.9", "198.51.100.9", "203.0.113.9", "", "", "")):
            ip(node, "link", "add", f"up{number}", "type", "veth", "peer", "name", f"far{number}")
            ip(node, "link", "set", f"far{number}", "up")
            ip(node, "link", "set", f"up{number}", "up")
            if address:
                ip(node, "address", "add", f"{address}/24", "dev", f"up{number}")

        async def main() -> tuple[tuple[str, ...], tuple[str, ...]]:
            driver = KernelLinks(tmp_path, node_netns=node)
            before = await driver.outward()
            for way in WAYS:
                ip(node, "route", "add", *way.split())
            found = await driver.outward()
            await driver.close()
            return before, found

        assert asyncio.run(main()) == ((), ("up0", "up1", "up2", "up3"))


def test_a_fake_says_what_it_was_given() -> None:
    links = FakeLinks()
    links.outer = ("eth0",)
    assert asyncio.run(links.outward()) == ("eth0",)
