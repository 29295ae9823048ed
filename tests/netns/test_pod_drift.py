"""Somebody changes what podnet made inside a pod's namespace: it is put back soon, told, and what is theirs stays."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from builders import pod, world
from contract.linkcases import FORWARDING
from netns.podlab import ip, lab, unmount_all
from nodeviews import view_of
from tandem.base.cell import Cell
from tandem.base.clock import SystemClock
from tandem.base.ids import ContainerId, PodUid
from tandem.base.netns import in_netns
from tandem.base.paths import NodeDir
from tandem.compile.foreign import compile_redirection
from tandem.compile.names import GATEWAYS
from tandem.drivers.bpf.real import KernelFastPath
from tandem.drivers.foreign.real import KernelForeign
from tandem.drivers.link.pods_watch import KernelPodLinksWatch
from tandem.drivers.link.real import KernelLinks
from tandem.ipam.journal import Attachment, Foreign, MemoryJournal, Phase
from tandem.ir.node import ForeignLink
from tandem.podnet.mending import Mending
from tandem.podnet.turns import Turns
from tandem.podnet.undoing import link_of
from tandem.runtime import fastpath, sysctls
from tandem.runtime.fastpath import FastPathLoop
from tandem.runtime.pod_links import PAUSE_SECONDS, PodLinks
from tandem.runtime.views import Numbered, Views
from tandem.state.foreign import UNTOUCHED
from tandem.state.links import HostSide, NodeNet
from unit.runtime.looping import until

pytestmark = pytest.mark.root

HOST = HostSide(node="node-1", sources=("10.244.0.1", "fd00:10:244::1"), mtu=1400)
WEB, BEHIND = pod("web", ip="10.244.0.2"), pod("behind", ip="10.88.0.2")
SEEN = view_of(world(WEB, BEHIND))
STATE = "ip -br address; ip route show table all; ip -6 route; ip rule; ip -6 rule; ip neighbour show nud permanent"
SETTINGS = "; sysctl -a 2>/dev/null | grep -E '(all|lo|eth0).rp_filter|eth0.(disable_ipv6|accept_ra|addr_gen_mode) '"


@dataclass
class Node:
    """A pod of ours and one behind another plugin, and the part of an agent that keeps them whole."""

    netns: str
    web: str
    host: str
    """The node's end of the link of `web`."""
    behind: str
    links: PodLinks
    views: Views
    driver: KernelLinks
    mending: Mending

    async def repaired(self, number: int) -> float:
        """When so many changes were repaired."""
        await until(lambda: self.links.status()["repaired"] >= number)
        return time.monotonic()

    def newest(self) -> dict[str, Any]:
        return dict(self.links.status()["newest"][-1])


def attachment(name: str, netns: str, pin: str, **more: Any) -> Attachment:
    fields: dict[str, Any] = {"addresses": (), "mac": "", "host_ifname": "", "mtu": 0} | more
    return Attachment(
        container_id=ContainerId(f"c-{name}"),
        ifname="eth0",
        pod_uid=PodUid(name),
        namespace="default",
        pod_name=name,
        netns=netns,
        pin=pin,
        phase=Phase.READY,
        **fields,
    )


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[[Callable[[Node], Awaitable[None]]], None]]:
    pins = tmp_path / "pins"
    with lab() as spaces:
        node, web, behind = (spaces.add(name) for name in ("node", "web", "behind"))

        def run(story: Callable[[Node], Awaitable[None]]) -> None:
            in_netns(node, lambda: asyncio.run(_play(story, (node, web, behind), pins)))

        try:
            yield run
        finally:
            unmount_all(pins)


async def _play(story: Callable[[Node], Awaitable[None]], spaces: tuple[str, str, str], pins: Path) -> None:
    node, web, behind = spaces
    driver, foreign, journal = KernelLinks(pins, node_netns=node), KernelForeign(node), MemoryJournal()
    await driver.set_sysctls(FORWARDING)
    await driver.apply_node(NodeNet(addresses=HOST.sources))
    own = attachment(
        "web", web, await driver.pin(ContainerId("c-web"), web), addresses=("10.244.0.2", "fd00:10:244::2")
    )
    link = replace(link_of(msgspec.structs.replace(own, mtu=HOST.mtu), HOST), captured=True)
    own = msgspec.structs.replace(own, mac=link.mac, host_ifname=link.host_ifname, mtu=link.mtu)
    await driver.create(link, web)
    await driver.open(link, web)
    ip(node, *f"link add veth0 type veth peer name eth0 netns {Path(behind).name}".split())
    ip(node, "link", "set", "veth0", "up")
    ip(behind, "address", "add", "10.88.0.2/24", "dev", "eth0")
    ip(behind, "link", "set", "eth0", "up")
    theirs = attachment(
        "behind",
        behind,
        await driver.pin(ContainerId("c-behind"), behind),
        foreign=Foreign(
            link=ForeignLink(ifname="eth0", node_addresses=(), guarded=False),
            addresses=("10.88.0.2",),
            before=UNTOUCHED,
        ),
    )
    await foreign.prepare(theirs.pin, compile_redirection("eth0", ("10.88.0.2",)))
    for one in (own, theirs):
        journal.add(one)
    mending = Mending(
        journal, driver, foreign, Turns(), host=lambda: HOST, captured=lambda _: True, renewed=lambda _: None
    )
    names = {own.pin: "default/web", theirs.pin: "default/behind"}
    watch = KernelPodLinksWatch(GATEWAYS.values(), node="/proc/thread-self/ns/net")
    fast_path = KernelFastPath()
    fast = FastPathLoop(fast_path, partial(sysctls.change, driver, NodeDir(pins.parent), sysctls.WANTED_FOR_FAST_PATH))
    links = PodLinks(watch, SystemClock(), lambda netns: names[netns], fast)
    pins_of = {"web": own, "behind": theirs}
    pods = (
        msgspec.structs.replace(
            p, container_id=known.container_id, netns=known.pin, host_ifname=known.host_ifname, mac=known.mac
        )
        for p in SEEN.pods
        for known in (pins_of[p.pod.name],)
    )
    views: Views = Cell(Numbered(number=1, view=msgspec.structs.replace(SEEN, pods=tuple(pods))))
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(links.run(mending, views))
        fastening = tasks.create_task(fast.run(views))
        await asyncio.sleep(1.5)  # the first look at each
        assert links.status()["found"] == 0, links.status()
        await story(Node(node, web, own.host_ifname, behind, links, views, driver, mending))
        running.cancel()
        fastening.cancel()
    fast_path.close()
    await driver.close()


def run(netns: str, command: str) -> str:
    return subprocess.check_output(["ip", "netns", "exec", Path(netns).name, "sh", "-ec", command], text=True)


def state(netns: str) -> list[str]:
    """In which order the kernel has what is alike does not matter, nor which number the pair of links has."""
    return sorted(re.sub(r"@if\d+", "", run(netns, STATE + SETTINGS)).splitlines())


CHANGES = (
    "ip address flush dev eth0",
    "ip rule flush; ip rule add lookup main pref 32766; ip rule add lookup default pref 32767",
    "ip route flush table 116",
    "ip route del default",
    "ip neighbour flush dev eth0 nud permanent",
    "ip link set eth0 mtu 1300",
    "ip link set eth0 address 02:00:00:00:00:99",
    "ip link set lo down",
    "ip link set eth0 down",
    "ip link del eth0",
    "sysctl -qw net.ipv4.conf.all.rp_filter=1",
    "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1",
)


def test_whatever_others_change_in_a_pod_is_put_back_and_told(
    play: Callable[[Callable[[Node], Awaitable[None]]], None],
) -> None:
    async def story(node: Node) -> None:
        before = state(node.web)
        for number, change in enumerate(CHANGES, start=1):
            begun = time.monotonic()
            await asyncio.to_thread(run, node.web, change)
            taken = await node.repaired(number) - begun
            sys.stderr.write(f"repaired {taken:.3f} s after {change!r} began: {node.newest()['what']}\n")
            assert node.newest()["pod"] == "default/web"
            assert not node.links.problems()
            assert (change, state(node.web)) == (change, before)
        assert node.links.status()["found"] == len(CHANGES)

    play(story)


HOST_STATE = "ip route show proto 116; ip -6 route show proto 116; ip neighbour show nud permanent; ip -br link"
HOST_STATE += (
    " | grep -v mine | sed 's/@if[0-9]*//'; sysctl -a 2>/dev/null | grep -E 'ip_forward |[.]forwarding |rp_filter '"
)
HOST_CHANGES = (
    "ip route del 10.244.0.2",
    "ip route replace 10.244.0.2 dev lo",
    "ip -6 route del fd00:10:244::2",
    "ip neighbour del 10.244.0.2 dev {host}",
    "ip neighbour replace 10.244.0.2 lladdr 02:00:00:00:00:99 dev {host} nud permanent",
    "ip link set {host} mtu 1300",
    "ip link set {host} address 02:00:00:00:00:99",
    "ip link set {host} down",
    "sysctl -qw net.ipv4.ip_forward=0",
    "sysctl -qw net.ipv6.conf.all.forwarding=0",
    "sysctl -qw net.ipv4.conf.{host}.forwarding=0",
    "sysctl -qw net.ipv4.conf.{host}.rp_filter=1",
    "ip link set {host} name mine",
)


def test_whatever_others_change_at_its_end_on_the_node_is_put_back_as_soon(
    play: Callable[[Callable[[Node], Awaitable[None]]], None],
) -> None:
    async def story(node: Node) -> None:
        before = sorted(run(node.netns, HOST_STATE).splitlines())
        for number, change in enumerate((c.format(host=node.host) for c in HOST_CHANGES), start=1):
            await asyncio.to_thread(run, node.netns, change)
            async with asyncio.timeout(20):
                await node.repaired(number)
            assert node.newest()["pod"] == "default/web"
            assert (change, sorted(run(node.netns, HOST_STATE).splitlines())) == (change, before)
        await asyncio.to_thread(run, node.netns, "ip link add other0 type veth peer name other1; ip link set other0 up")
        await asyncio.sleep(0.5)
        assert node.links.status()["found"] == len(HOST_CHANGES)

    play(story)


def test_what_the_fast_path_needs_of_connection_tracking_is_set_again(
    play: Callable[[Callable[[Node], Awaitable[None]]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastpath, "KEEP_SECONDS", 0.2)
    (name,) = sysctls.WANTED_FOR_FAST_PATH

    async def story(node: Node) -> None:
        for _ in range(2):
            await until(lambda: run(node.netns, f"sysctl -n {name}").strip() == "1")
            await asyncio.to_thread(run, node.netns, f"sysctl -qw {name}=0")
        await until(lambda: run(node.netns, f"sysctl -n {name}").strip() == "1")

    play(story)


def test_a_filter_of_the_fast_path_that_somebody_takes_off_is_told_and_put_back(
    play: Callable[[Callable[[Node], Awaitable[None]]], None],
) -> None:
    async def story(node: Node) -> None:
        def has_filter() -> bool:
            return "tandem-fast" in run(node.netns, f"tc filter show dev {node.host} ingress")

        await until(has_filter)
        for number, change in enumerate(
            (f"tc qdisc del dev {node.host} clsact", f"tc filter del dev {node.host} ingress")
        ):
            await asyncio.to_thread(run, node.netns, change)
            async with asyncio.timeout(20):
                await node.repaired(number + 1)
                await until(has_filter)
            assert node.newest()["what"] == [f"{node.host} lacks the filter of the fast path"]
        await asyncio.sleep(0.5)
        assert node.links.status()["found"] == 2

    play(story)


def test_what_the_pods_own_user_adds_is_none_of_ours(
    play: Callable[[Callable[[Node], Awaitable[None]]], None],
) -> None:
    async def story(node: Node) -> None:
        theirs = "ip address add 192.0.2.7/24 dev eth0; ip rule add from 192.0.2.7 lookup 77 pref 50"
        theirs += "; ip route add 198.51.100.0/24 via 192.0.2.9; ip link add mine type veth peer name yours"
        await asyncio.to_thread(run, node.web, theirs)
        after = run(node.web, STATE)
        await asyncio.sleep(1)
        assert run(node.web, STATE) == after
        assert node.links.status()["found"] == 0

    play(story)


def test_behind_another_plugin_what_is_ours_is_put_back_and_what_is_its_own_is_not(
    play: Callable[[Callable[[Node], Awaitable[None]]], None],
) -> None:
    async def story(node: Node) -> None:
        before = sorted(run(node.behind, "ip rule; ip route show table 116").splitlines())
        # One after the other: a repair may fall between two commands.
        for number, change in enumerate(("ip rule del pref 116", "sysctl -qw net.ipv4.conf.eth0.rp_filter=2"), 1):
            await asyncio.to_thread(run, node.behind, change)
            await node.repaired(number)
            assert node.newest()["pod"] == "default/behind"
        assert sorted(run(node.behind, "ip rule; ip route show table 116").splitlines()) == before
        assert run(node.behind, "sysctl -n net.ipv4.conf.eth0.rp_filter").strip() == "0"
        found = node.links.status()["found"]
        await asyncio.to_thread(run, node.behind, "ip address del 10.88.0.2/24 dev eth0; ip link set eth0 mtu 1300")
        await asyncio.sleep(1)
        assert node.links.status()["found"] == found

    play(story)


def test_who_changes_it_again_and_again_meets_a_repair_each_time_but_not_all_of_a_processor(
    play: Callable[[Callable[[Node], Awaitable[None]]], None],
) -> None:
    async def story(node: Node) -> None:
        again = "for n in $(seq 300); do ip route del default 2>/dev/null || true; ip rule add fwmark $n lookup 9; done"
        begun, cpu = time.monotonic(), time.process_time()
        await asyncio.to_thread(run, node.web, again)
        taken = time.monotonic() - begun
        sys.stderr.write(
            f"{(time.process_time() - cpu) / taken:.3f} of a processor, {node.links.status()['found']} found\n"
        )
        assert 1 <= node.links.status()["found"] <= 2 + taken / PAUSE_SECONDS
        async with asyncio.timeout(20):
            while await node.mending.look(ContainerId("c-web")) != ():  # noqa: ASYNC110 - the loop tells nobody
                await asyncio.sleep(0.05)

    play(story)
