"""The BGP driver's promises, kept by the fake and by BIRD alike; and what two BIRDs do to each other and the kernel."""

# ruff: noqa: ASYNC110 - other processes are polled
from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from netns.podlab import ip, lab
from tandem.base.netns import in_netns
from tandem.base.paths import NodeDir
from tandem.base.secret import Secret
from tandem.drivers.bgp.fake import FakeBgp
from tandem.drivers.bgp.port import BgpDriver, BgpError, Session
from tandem.drivers.bgp.process import Bird
from tandem.state.bgp import BgpPeer, BgpSpeaker

pytestmark = pytest.mark.root

PODS, OTHERS = "10.244.0.0/24", "10.244.1.0/24"
SPEAKER = BgpSpeaker(router_id="192.0.2.1", as_number=64512, announces=(PODS,))
OTHER = BgpSpeaker(router_id="192.0.2.2", as_number=64512, announces=(OTHERS,))
TO_OTHER = BgpPeer(
    name="other", title="other", local="192.0.2.1", address="192.0.2.2", as_number=64512, accepts=(OTHERS,)
)
TO_NODE = BgpPeer(
    name="node", title="node", local="192.0.2.2", address="192.0.2.1", as_number=64512, accepts=("0.0.0.0/0",)
)
NOBODY = BgpPeer(name="nobody", title="nobody", local="192.0.2.1", address="192.0.2.9", as_number=64512)
Scene = Callable[[BgpDriver], Awaitable[None]]


@dataclass
class Pair:
    """Two speakers in namespaces of their own on one network, on which a third namespace is as well."""

    node: Bird
    other: Bird
    node_netns: str
    other_netns: str
    router_netns: str

    def routes(self, netns: str) -> set[str]:
        """What BIRD has put into the kernel, by destination."""
        return {line.split()[0] for line in ip(netns, "route", "show", "proto", "bird").splitlines()}


def playing(path: Path, work: Callable[[Pair], Awaitable[None]]) -> None:
    """Run `work` with both speakers started, in the first one's namespace; the second is entered to start it."""
    with lab() as spaces:
        node, other, router, switch = (spaces.add(name) for name in ("node", "other", "router", "switch"))
        ip(switch, "link", "add", "br0", "type", "bridge")
        ip(switch, "link", "set", "br0", "up")
        for number, netns in enumerate((node, other, router), 1):
            ip(switch, "link", "add", f"p{number}", "type", "veth", "peer", "name", "eth0", "netns", Path(netns).name)
            ip(switch, "link", "set", f"p{number}", "master", "br0", "up")
            ip(netns, "address", "add", f"192.0.2.{number}/24", "dev", "eth0")
            ip(netns, "link", "set", "eth0", "up")
        pair = Pair(Bird(NodeDir(path / "node")), Bird(NodeDir(path / "other")), node, other, router)

        async def main() -> None:
            try:
                async with asyncio.timeout(60):
                    await pair.node.start(replace(SPEAKER, peers=(TO_OTHER,)))
                    await asyncio.to_thread(
                        in_netns, other, lambda: asyncio.run(pair.other.start(replace(OTHER, peers=(TO_NODE,))))
                    )
                    await ready(pair.node)
                    await ready(pair.other)
                    await work(pair)
            finally:
                await pair.node.daemon.stop()
                await pair.other.daemon.stop()

        in_netns(node, lambda: asyncio.run(main()))


async def ready(bird: Bird) -> None:
    while not (await bird.status()).ready:
        assert bird.daemon.pid, bird.daemon.last_words()
        await asyncio.sleep(0.02)


async def session(bird: Bird, accept: Callable[[Session], bool]) -> Session:
    while True:
        for found in await bird.control.sessions():
            if accept(found):
                return found
        await asyncio.sleep(0.05)


async def routes(pair: Pair, netns: str, wanted: set[str]) -> None:
    while pair.routes(netns) != wanted:
        await asyncio.sleep(0.05)


def established(found: Session) -> bool:
    return found.state == "Established" and found.accepted > 0


# Fake and real.


@pytest.fixture(params=["fake", "real"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scene], None]:
    if request.param == "fake":

        async def faked(scene: Scene) -> None:
            await scene(FakeBgp())

        return lambda scene: asyncio.run(faked(scene))
    return lambda scene: playing(tmp_path, lambda pair: scene(pair.node.control))


def test_there_is_a_session_for_each_peer_that_is_configured(play: Callable[[Scene], None]) -> None:
    async def scene(driver: BgpDriver) -> None:
        for peers in ((NOBODY,), (NOBODY, TO_OTHER), (TO_OTHER,), ()):
            await driver.configure(replace(SPEAKER, peers=peers))
            assert [s.name for s in await driver.sessions()] == sorted(peer.name for peer in peers)

    play(scene)


def test_a_peer_that_does_not_answer_is_not_established(play: Callable[[Scene], None]) -> None:
    async def scene(driver: BgpDriver) -> None:
        await driver.configure(replace(SPEAKER, peers=(NOBODY,)))
        [found] = await driver.sessions()
        assert (found.name, found.accepted, found.announced) == ("nobody", 0, 0)
        assert found.state != "Established"

    play(scene)


def test_what_is_refused_changes_nothing(play: Callable[[Scene], None]) -> None:
    bad = replace(SPEAKER, peers=(NOBODY, replace(NOBODY, address="192.0.2.8")))

    async def scene(driver: BgpDriver) -> None:
        await driver.configure(replace(SPEAKER, peers=(NOBODY,)))
        with pytest.raises(BgpError, match="configure"):
            await driver.configure(bad)
        assert [s.name for s in await driver.sessions()] == ["nobody"]

    play(scene)


# Two speakers.


def test_prefixes_are_exchanged_put_into_the_kernel_and_follow_changes_without_losing_the_session(
    tmp_path: Path,
) -> None:
    async def work(pair: Pair) -> None:
        found = await session(pair.node, established)
        assert (found.accepted, found.refused, found.error) == (1, 0, "")
        await routes(pair, pair.node_netns, {OTHERS})
        await routes(pair, pair.other_netns, {PODS})
        assert "metric 116" in ip(pair.node_netns, "route", "show", "proto", "bird")
        balancer = "203.0.113.7/32"
        before = log(pair)
        await pair.node.control.configure(replace(SPEAKER, announces=(PODS, balancer), peers=(TO_OTHER, NOBODY)))
        await routes(pair, pair.other_netns, {PODS, "203.0.113.7"})
        await pair.node.control.configure(replace(SPEAKER, peers=(TO_OTHER,)))
        await routes(pair, pair.other_netns, {PODS})
        assert before == log(pair)  # it would say that a session ended

    def log(pair: Pair) -> str:
        return pair.other.paths.bgp_log.read_text()

    playing(tmp_path, work)


def test_only_what_lies_within_the_peers_own_prefixes_is_believed(tmp_path: Path) -> None:
    told = (OTHERS, "10.244.1.128/25", "0.0.0.0/0", "10.244.0.0/25", "10.244.0.0/16", "198.51.100.0/24", "192.0.2.0/25")

    async def work(pair: Pair) -> None:
        # Ours is within what the peer may say, and is refused all the same.
        peer = replace(TO_OTHER, accepts=(OTHERS, PODS))
        await pair.node.control.configure(replace(SPEAKER, peers=(peer,)))
        await pair.other.control.configure(replace(OTHER, announces=told, peers=(TO_NODE,)))
        found = await session(pair.node, lambda s: s.accepted == 2 and s.refused == len(told) - 2)
        assert found.state == "Established"
        assert pair.routes(pair.node_netns) == {OTHERS, "10.244.1.128/25"}

    playing(tmp_path, work)


def test_nothing_of_the_underlay_and_nothing_learnt_is_told_to_a_peer(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        ip(pair.node_netns, "route", "add", "198.51.100.0/24", "via", "192.0.2.2")
        ip(pair.node_netns, "address", "add", "203.0.113.1/24", "dev", "eth0")
        await session(pair.node, established)
        await routes(pair, pair.other_netns, {PODS})
        [found] = await pair.other.control.sessions()
        assert (found.accepted, found.refused) == (1, 0)

    playing(tmp_path, work)


def test_a_speaker_that_is_killed_disturbs_no_route_and_one_that_ends_takes_its_routes_along(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        await routes(pair, pair.node_netns, {OTHERS})
        await routes(pair, pair.other_netns, {PODS})
        lost: list[str] = []
        pair.node.want(replace(SPEAKER, peers=(TO_OTHER,)))
        async with asyncio.TaskGroup() as tasks:
            keeper = tasks.create_task(pair.node.daemon.run())
            watch = tasks.create_task(watching(pair, lost))
            await asyncio.sleep(0)
            count = pair.node.daemon.started.value
            os.kill(pair.node.daemon.pid, signal.SIGKILL)
            await pair.node.daemon.started.after(count)
            await ready(pair.node)
            await session(pair.other, lambda s: s.state != "Established" or "closed" in s.error)
            await session(pair.node, established)
            await session(pair.other, established)
            watch.cancel()
            keeper.cancel()
        assert not lost
        await pair.node.daemon.stop()
        await routes(pair, pair.other_netns, set())
        assert {p.name for p in pair.node.paths.root.iterdir()} == {"bgp.log"}

    async def watching(pair: Pair, lost: list[str]) -> None:
        while True:
            for netns, prefix in ((pair.node_netns, OTHERS), (pair.other_netns, PODS)):
                if prefix not in await asyncio.to_thread(pair.routes, netns):
                    lost.append(prefix)
            await asyncio.sleep(0.02)

    playing(tmp_path, work)


PASSING_ON = """
log stderr all;
router id 192.0.2.3;
protocol device {{}}
ipv4 table underlay;
protocol direct {{ ipv4 {{ table underlay; }}; }}
template bgp node {{
  local 192.0.2.3 as {number};
  {client} connect delay time 1; connect retry time 1;
  ipv4 {{ import all; export all; igp table underlay; }};
}}
protocol bgp one from node {{ neighbor 192.0.2.1 as 64512; }}
protocol bgp two from node {{ neighbor 192.0.2.2 as 64512; }}
"""


@pytest.mark.parametrize(
    ("number", "client"),
    [(65000, ""), (64512, "rr client; multihop;")],
    ids=["router of another AS", "route reflector of ours"],
)
def test_without_a_mesh_one_that_passes_on_is_enough(tmp_path: Path, number: int, client: str) -> None:
    """Each node has this one peer; the next hop is the other node all the same, for they are on one network."""
    (tmp_path / "passing.conf").write_text(PASSING_ON.format(number=number, client=client))

    async def work(pair: Pair) -> None:
        near = number != SPEAKER.as_number
        one = replace(TO_OTHER, address="192.0.2.3", as_number=number, near=near)
        two = replace(one, local="192.0.2.2", accepts=(PODS,))
        with passing_on(pair.router_netns, tmp_path):
            await pair.node.control.configure(replace(SPEAKER, peers=(one,)))
            await pair.other.control.configure(replace(OTHER, peers=(two,)))
            await routes(pair, pair.node_netns, {OTHERS})
            await routes(pair, pair.other_netns, {PODS})
            assert "via 192.0.2.2" in ip(pair.node_netns, "route", "show", OTHERS)

    playing(tmp_path, work)


@contextmanager
def passing_on(netns: str, path: Path) -> Iterator[None]:
    """A BIRD of the test's own."""
    options = ("-f", "-c", str(path / "passing.conf"), "-s", str(path / "passing.sock"))
    enter = ("ip", "netns", "exec", Path(netns).name)
    with subprocess.Popen([*enter, "bird", *options], stderr=subprocess.DEVNULL) as bird:
        try:
            yield
        finally:
            bird.terminate()


def test_a_new_agent_adopts_the_speaker_with_its_sessions(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        await session(pair.node, established)
        second = Bird(NodeDir(tmp_path / "node"))
        await second.start(replace(SPEAKER, peers=(TO_OTHER,)))
        assert (second.daemon.pid, second.daemon.adopted) == (pair.node.daemon.pid, True)
        await second.control.configure(replace(SPEAKER, peers=(TO_OTHER,)))
        [found] = await second.control.sessions()
        assert found.state == "Established"

    playing(tmp_path, work)


def test_a_port_that_is_taken_is_told_and_used_once_it_is_free(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        elsewhere = replace(SPEAKER, port=1179, peers=(TO_OTHER,))
        with socket.create_server(("192.0.2.1", 1179)):
            await pair.node.control.configure(elsewhere)
            found = await session(pair.node, lambda s: s.state == "Down")
            assert "No listening socket" in found.error
        await pair.node.control.configure(elsewhere)
        await session(pair.node, lambda s: s.state != "Down")

    playing(tmp_path, work)


def test_a_session_with_a_password_needs_the_same_at_both_ends(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        word, other = Secret(b"a 'word' #1"), Secret(b"another")
        await pair.other.control.configure(replace(OTHER, peers=(replace(TO_NODE, password=word),)))
        for password in (other, word):
            await pair.node.control.configure(replace(SPEAKER, peers=(replace(TO_OTHER, password=password),)))
            if password is word:
                await session(pair.node, established)
            else:
                await session(pair.node, lambda s: s.state in {"Connect", "Active", "Idle"})
        assert pair.node.paths.bgp_config.stat().st_mode & 0o777 == 0o600
        assert "'word'" not in pair.node.paths.bgp_log.read_text()

    playing(tmp_path, work)


def test_a_wrong_as_number_is_told(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        await pair.node.control.configure(replace(SPEAKER, peers=(replace(TO_OTHER, as_number=64999),)))
        found = await session(pair.node, lambda s: "Bad peer AS" in s.error)
        assert found.state != "Established"

    playing(tmp_path, work)
