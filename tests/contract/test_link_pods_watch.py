"""In which pods something changes, told by the fake and by the kernel alike; and which changes a kernel tells."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from netns.podlab import ip, space
from tandem.base.problems import DriverError
from tandem.drivers.link import pods_watch
from tandem.drivers.link.pods_watch import NOBODY, Culprit, FakePodLinksWatch, KernelPodLinksWatch, PodLinksWatch

pytestmark = pytest.mark.root

GATEWAY = "169.254.1.1"


@pytest.fixture
def pods() -> Iterator[list[str]]:
    with ExitStack() as spaces:
        found = [f"/run/netns/{spaces.enter_context(space())}" for _ in range(3)]
        for netns in found:
            ip(netns, "link", "add", "eth0", "type", "veth", "peer", "name", "host")
            for name in ("lo", "eth0", "host"):
                ip(netns, "link", "set", name, "up")
            ip(netns, "address", "add", "10.9.9.2/32", "dev", "eth0")
        yield found


def play(scene: Callable[[KernelPodLinksWatch], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            made = KernelPodLinksWatch((GATEWAY, "fe80::1"))
            try:
                await scene(made)
            finally:
                made.close()

    asyncio.run(main())


def run(netns: str, command: str) -> None:
    subprocess.run(["ip", "netns", "exec", Path(netns).name, "sh", "-ec", command], check=True)


async def quiet(watch: PodLinksWatch) -> None:
    """Return once nothing more comes of what was done before."""
    while True:
        try:
            async with asyncio.timeout(0.3):
                await watch.touched()
        except TimeoutError:
            return


@pytest.mark.parametrize("kind", ["fake", "kernel"])
def test_a_change_is_told_with_its_pod_and_of_others_nothing_is(pods: list[str], kind: str) -> None:
    first, second, stranger = pods

    async def scene(made: KernelPodLinksWatch) -> None:
        watch: PodLinksWatch = made
        if kind == "fake":
            fake = watch = FakePodLinksWatch()
            fake.happen({first: NOBODY})
        for netns in (first, second):
            watch.follow(netns, "", ())
        watch.leave(second)
        for netns in (stranger, second, first):
            ip(netns, "rule", "add", "fwmark", "5", "lookup", "116")
        assert set(await watch.touched()) == {first}
        if kind == "fake":
            assert fake.followed == {first}
            fake.happen(DriverError("deaf"))
            with pytest.raises(DriverError, match="deaf"):
                await fake.touched()
            fake.refused.add(second)
            with pytest.raises(DriverError, match=second):
                fake.follow(second, "", ())
            fake.close()

    play(scene)


@pytest.mark.parametrize(
    "change",
    [
        "ip rule add fwmark 5 lookup 116",
        "ip -6 rule add fwmark 5 lookup 116",
        "ip route add local default dev lo table 116",
        "ip address del 10.9.9.2/32 dev eth0",
        "ip -6 address add fd00::2/128 dev eth0 nodad",
        f"ip neighbour add {GATEWAY} lladdr 02:00:00:00:00:01 dev eth0 nud permanent",
        "ip link set eth0 mtu 1300",
        "ip link set eth0 address 02:00:00:00:00:09",
        "ip link set lo down",
        "tc qdisc add dev eth0 root tbf rate 1mbit burst 10kb latency 50ms",
        "sysctl -qw net.ipv4.conf.all.rp_filter=2",
        "sysctl -qw net.ipv4.conf.eth0.rp_filter=2",
        "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1",
    ],
)
def test_the_kernel_tells_of_every_kind_of_change(pods: list[str], change: str) -> None:
    async def scene(watch: KernelPodLinksWatch) -> None:
        watch.follow(pods[0], "", ())
        await quiet(watch)
        run(pods[0], change)
        assert set(await watch.touched()) == {pods[0]}

    play(scene)


@pytest.mark.parametrize("setting", ["net.ipv4.conf.all.rp_filter=2", "net.ipv4.ip_forward=1"])
def test_a_setting_of_the_node_for_all_links_is_told_with_some_pod(pods: list[str], setting: str) -> None:
    first, second, node = pods

    async def scene() -> None:
        watch = KernelPodLinksWatch((GATEWAY,), node=node)
        try:
            for netns in (first, second):
                watch.follow(netns, "", ())
            run(node, f"sysctl -qw {setting}")
            async with asyncio.timeout(20):
                assert len(await watch.touched()) == 1
        finally:
            watch.close()

    asyncio.run(scene())


def test_neighbours_that_are_none_of_us_come_and_go(pods: list[str]) -> None:
    async def scene(watch: KernelPodLinksWatch) -> None:
        watch.follow(pods[0], "", ())
        await quiet(watch)
        run(pods[0], "ip neighbour add 10.9.9.9 lladdr 02:00:00:00:00:01 dev eth0")
        run(pods[0], "ip rule add fwmark 5 lookup 116")
        assert set(await watch.touched()) == {pods[0]}
        await quiet(watch)
        run(pods[0], "ip neighbour del 10.9.9.9 dev eth0")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await watch.touched()

    play(scene)


STAY = """
import socket, sys
sys.path[:0] = {path!r}
from tandem.drivers.link.netlink import Rtnl
from tandem.drivers.link import rtnl
Rtnl().batch([rtnl.mark_rule(7, 116, version=4, add=True)])
print("done", flush=True)
sys.stdin.read()
"""


@contextmanager
def staying(netns: str) -> Iterator[tuple[str, int]]:
    """Name and number of a process that has changed something there, and lives."""
    argv = ["nsenter", f"--net={netns}", sys.executable, "-c", STAY.format(path=sys.path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stays:
        assert stays.stdout is not None
        assert stays.stdout.readline() == b"done\n"
        yield Path(f"/proc/{stays.pid}/comm").read_text().strip(), stays.pid
        stays.communicate(b"")


def test_a_process_that_lives_on_is_named(pods: list[str]) -> None:
    async def scene(watch: KernelPodLinksWatch) -> None:
        watch.follow(pods[0], "", ())
        await quiet(watch)
        with staying(pods[0]) as (name, pid):
            assert await watch.touched() == {pods[0]: Culprit(name, pid)}

    play(scene)


def test_after_more_than_could_be_read_any_pod_may_have_changed(
    pods: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods_watch, "_BUFFER", 1 << 12)

    async def scene(watch: KernelPodLinksWatch) -> None:
        for netns in pods[:2]:
            watch.follow(netns, "", ())
        run(pods[0], "for n in $(seq 400); do echo rule add fwmark $n lookup 116; done | ip -batch -")
        assert set(await watch.touched()) == set(pods[:2])

    play(scene)
