"""The WireGuard driver's promises, kept by the fake and by wireguard-go alike; and what two nodes with it do."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from netns.podlab import ip, lab
from tandem.base.netns import in_netns
from tandem.base.paths import NodeDir
from tandem.base.secret import Secret
from tandem.drivers.wireguard import device
from tandem.drivers.wireguard.fake import FakeWireguard
from tandem.drivers.wireguard.keys import public_of
from tandem.drivers.wireguard.plan import plan
from tandem.drivers.wireguard.port import Held, WireguardDriver, WireguardError
from tandem.drivers.wireguard.process import Wireguard
from tandem.drivers.wireguard.uapi import socket_of
from tandem.state.wireguard import Tunnel, WireguardPeer

pytestmark = pytest.mark.root

KEY, OTHER_KEY, THIRD_KEY = (Secret(bytes([n] * 32)) for n in (1, 2, 3))
OTHER = WireguardPeer(key=public_of(OTHER_KEY), address="192.0.2.2", allowed=("10.244.1.0/24", "fd00:1::/64"))
THIRD = WireguardPeer(key=public_of(THIRD_KEY), address="2001:db8::3", port=4321, allowed=("10.244.2.0/24",))
TUNNEL = Tunnel(mtu=1400, addresses=("10.244.0.1",), peers=tuple(sorted((OTHER, THIRD))))
Scene = Callable[[WireguardDriver], Awaitable[None]]


@dataclass
class Pair:
    """Two nodes in namespaces of their own, joined by one cable; each with a pod's address in its namespace."""

    node: Wireguard
    node_netns: str
    other_netns: str


def playing(path: Path, work: Callable[[Pair], Awaitable[None]]) -> None:
    """Run `work` in the first node's namespace, with its device served."""
    with lab() as spaces:
        node, other = spaces.add("node"), spaces.add("other")
        ip(node, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", Path(other).name)
        for netns, address, pods in ((node, "192.0.2.1/24", "10.244.0.1"), (other, "192.0.2.2/24", "10.244.1.1")):
            ip(netns, "address", "add", address, "dev", "eth0")
            ip(netns, "address", "add", f"{pods}/32", "dev", "lo")
            ip(netns, "link", "set", "eth0", "up")
            ip(netns, "link", "set", "lo", "up")
        pair = Pair(Wireguard(NodeDir(path / "node")), node, other)

        async def main() -> None:
            try:
                async with asyncio.timeout(60):
                    await served(pair.node)
                    await work(pair)
            finally:
                await ended(pair.node)

        in_netns(node, lambda: asyncio.run(main()))


async def served(server: Wireguard) -> None:
    """Open it and wait until it answers."""
    await server.open()
    if not server.daemon.pid:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(server.daemon.run())
            await server.started.after(server.started.value)
            running.cancel()
    while True:
        try:
            await server.driver.read()
        except WireguardError:
            await asyncio.sleep(0.01)
        else:
            return


async def ended(server: Wireguard) -> None:
    await server.close()
    await server.daemon.stop()


async def change(driver: WireguardDriver, tunnel: Tunnel, key: Secret = KEY) -> Held:
    await driver.apply(plan(await driver.read(), tunnel, key))
    return await driver.read()


@pytest.fixture(params=["fake", "real"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scene], None]:
    if request.param == "fake":

        async def faked(scene: Scene) -> None:
            await scene(FakeWireguard())

        return lambda scene: asyncio.run(faked(scene))
    return lambda scene: playing(tmp_path, lambda pair: scene(pair.node.driver))


# Fake and real.


def test_what_is_applied_is_read_and_needs_no_more_change(play: Callable[[Scene], None]) -> None:
    async def scene(driver: WireguardDriver) -> None:
        held = await change(driver, TUNNEL)
        assert (held.key, held.port, held.peers) == (public_of(KEY), 51820, TUNNEL.peers)
        assert held.handshakes == {OTHER.key: 0, THIRD.key: 0}
        assert not plan(held, TUNNEL, KEY)

    play(scene)


def test_every_kind_of_change_is_applied(play: Callable[[Scene], None]) -> None:
    moved = replace(OTHER, address="192.0.2.9", port=1234, allowed=("10.244.7.0/24",))

    async def scene(driver: WireguardDriver) -> None:
        for peers, port in (((OTHER, THIRD), 51820), ((moved,), 51820), ((), 4000), ((moved, THIRD), 51820)):
            tunnel = replace(TUNNEL, port=port, peers=tuple(sorted(peers)))
            held = await change(driver, tunnel)
            assert (held.port, held.peers) == (port, tunnel.peers)
        assert (await change(driver, TUNNEL, OTHER_KEY)).key == public_of(OTHER_KEY)

    play(scene)


def test_a_prefix_belongs_to_the_peer_to_which_it_was_put_last(play: Callable[[Scene], None]) -> None:
    async def scene(driver: WireguardDriver) -> None:
        await change(driver, TUNNEL)
        less = replace(OTHER, allowed=("fd00:1::/64",))
        more = replace(THIRD, allowed=("10.244.1.0/24", "10.244.2.0/24"))
        held = await change(driver, replace(TUNNEL, peers=tuple(sorted((less, more)))))
        assert held.peers == tuple(sorted((less, more)))

    play(scene)


def test_a_key_that_is_none_is_refused_and_changes_nothing(play: Callable[[Scene], None]) -> None:
    async def scene(driver: WireguardDriver) -> None:
        before = await change(driver, TUNNEL)
        with pytest.raises((WireguardError, ValueError)):
            await change(driver, replace(TUNNEL, peers=(replace(OTHER, key="AAAA"),)))
        assert (await driver.read()).peers == before.peers

    play(scene)


# The device, and two nodes.


def test_device_addresses_and_routes_become_exactly_what_is_wanted(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        name = pair.node.device
        for tunnel in (
            TUNNEL,
            replace(TUNNEL, mtu=1380, addresses=("10.244.9.1", "fd00:9::1"), peers=(THIRD,)),
            TUNNEL,
        ):
            await pair.node.shape(tunnel)
            assert f"mtu {tunnel.mtu}" in ip(pair.node_netns, "link", "show", name)
            shown = [line.split()[1] for line in ip(pair.node_netns, "-o", "-4", "address", "show", name).splitlines()]
            shown = [
                w.split("/")[0]
                for line in ip(pair.node_netns, "-o", "address", "show", name).splitlines()
                for w in line.split()[3:4]
            ]
            assert sorted(shown) == sorted(tunnel.addresses)
            routes = {
                line.split()[0]
                for f in ("-4", "-6")
                for line in ip(pair.node_netns, f, "route", "show", "dev", name, "proto", "116").splitlines()
            }
            assert routes == {prefix for peer in tunnel.peers for prefix in peer.allowed}
        assert await device.owned() == (name,)
        await ended(pair.node)
        assert await device.owned() == ()
        assert not socket_of(name).exists()
        assert pair.node.daemon.pid == 0
        assert {p.name for p in (tmp_path / "node").iterdir()} <= {"wireguard.log"}

    playing(tmp_path, work)


def test_two_nodes_speak_through_the_tunnel_only_and_never_in_clear(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        other = Wireguard(NodeDir(tmp_path / "other"))
        node_key, other_key = pair.node.key(), other.key()
        to_other = replace(OTHER, key=public_of(other_key), allowed=("10.244.1.0/24",))
        to_node = replace(OTHER, key=public_of(node_key), address="192.0.2.1", allowed=("10.244.0.0/24",))
        mine = replace(TUNNEL, peers=(to_other,))
        theirs = replace(TUNNEL, addresses=("10.244.1.1",), peers=(to_node,))

        async def there() -> None:
            await served(other)
            await change(other.driver, theirs, other_key)
            await other.shape(theirs)

        await asyncio.to_thread(in_netns, pair.other_netns, lambda: asyncio.run(there()))
        await change(pair.node.driver, mine, node_key)
        await pair.node.shape(mine)
        watch = watching(pair.node_netns)
        server = in_netns(pair.other_netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            server.bind(("10.244.1.1", 9))
            server.settimeout(0.2)
            client.bind(("10.244.0.1", 0))
            assert await said(client, server)
            # Nobody serves the device: what is sent is lost, and not sent in clear.
            os.kill(pair.node.daemon.pid, signal.SIGKILL)
            assert not await said(client, server, tries=3)
            await served(pair.node)
            await change(pair.node.driver, mine, node_key)
            await pair.node.shape(mine)
            assert await said(client, server)
            assert (await pair.node.driver.read()).handshakes[to_other.key] > 0
        finally:
            watch.terminate()
            client.close()
            server.close()
            await asyncio.to_thread(in_netns, pair.other_netns, lambda: asyncio.run(ended(other)))
        seen = watch.communicate()[0]
        assert "192.0.2.2.51820: UDP" in seen
        assert "plain words" not in seen
        assert "10.244." not in seen

    playing(tmp_path, work)


def watching(netns: str) -> subprocess.Popen[str]:
    """What passes on the cable, as text, from now on."""
    dump = ["tcpdump", "-nli", "eth0", "--immediate-mode", "-A", "ip"]
    made = subprocess.Popen(
        ["ip", "netns", "exec", Path(netns).name, *dump], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert made.stderr is not None
    while "listening on" not in made.stderr.readline():
        assert made.poll() is None
    return made


async def said(client: socket.socket, server: socket.socket, *, tries: int = 50) -> bool:
    """Whether a datagram arrives, sent again and again."""
    for _ in range(tries):
        client.sendto(b"plain words", ("10.244.1.1", 9))
        try:
            await asyncio.to_thread(server.recv, 100)
        except TimeoutError:
            continue
        return True
    return False


def test_a_new_agent_adopts_device_process_and_key(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        held = await change(pair.node.driver, TUNNEL, pair.node.key())
        second = Wireguard(NodeDir(tmp_path / "node"))
        assert not await second.open()
        await served(second)
        assert (second.daemon.pid, second.daemon.adopted) == (pair.node.daemon.pid, True)
        assert not plan(await second.driver.read(), TUNNEL, second.key())
        assert held.key == public_of(second.key())

    playing(tmp_path, work)
