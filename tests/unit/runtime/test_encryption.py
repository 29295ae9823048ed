"""The loop between views and a tunnel, with a fake device."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import msgspec
import pytest

from tandem.base.cell import Cell
from tandem.base.clock import FixedClock
from tandem.base.secret import Secret
from tandem.drivers.wireguard.fake import FakeWireguard
from tandem.drivers.wireguard.keys import public_of
from tandem.drivers.wireguard.port import WireguardDriver, WireguardError
from tandem.ir.fabric import Node
from tandem.ir.network import Encryption, Network
from tandem.runtime import encryption
from tandem.runtime.encryption import EncryptionLoop
from tandem.state.wireguard import Tunnel
from unit.compile.fabric.fabricviews import node, view
from unit.drivers.wireguard.cases import KEY, OTHER, OTHER_KEY
from unit.runtime.looping import Looping

ENCRYPTED = Network(encryption=Encryption())


def keyed(number: int, key: str) -> Node:
    return msgspec.structs.replace(node(number), encryption_key=key)


TWO = view(keyed(2, OTHER.key), network=ENCRYPTED)
UNHEARD = view(node(2), network=ENCRYPTED)
PLAIN = view(node(2))


class FakeServer:
    """A device in memory; `new` says that it was made by the next open."""

    def __init__(self) -> None:
        self.kind = "tun"
        self.fake = FakeWireguard()
        self.driver: WireguardDriver = self.fake
        self.started: Cell[int] = Cell(0)
        self.trouble = ""
        self.serving = False
        self.private = KEY
        self.shaped: list[Tunnel] = []
        self.closed = 0
        self.there = False
        self.refuse = ""

    def key(self) -> Secret:
        return self.private

    async def open(self) -> bool:
        new, self.there = not self.there, True
        return new

    async def shape(self, tunnel: Tunnel) -> None:
        if self.refuse:
            raise WireguardError(self.refuse)
        self.shaped.append(tunnel)

    async def close(self) -> None:
        self.closed += 1
        self.there = False


class Lab(Looping):
    def __init__(self, runner: asyncio.Runner) -> None:
        super().__init__(runner)
        self.server, self.clock = FakeServer(), FixedClock()
        self.loop = EncryptionLoop(self.server, self.clock)

    def serve(self) -> None:
        self.server.serving = True
        self.server.fake = FakeWireguard()  # a new process knows nothing
        self.server.driver = self.server.fake
        self.server.started.put(self.server.started.value + 1)

    def pass_time(self) -> None:
        self.clock.advance(encryption.PATIENCE)

    def in_force(self) -> bool:
        return self.loop.in_force

    def play(self, *steps: Callable[[], object]) -> None:
        self.run(self.loop.run, steps)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(encryption, "RETRY_SECONDS", 0.005)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with asyncio.Runner() as runner:
        yield Lab(runner)


def test_a_device_that_is_served_is_told_key_and_peers_before_it_gets_routes(lab: Lab) -> None:
    lab.play(lambda: lab.put(TWO), lambda: lab.server.there, lab.serve, lab.in_force)
    assert lab.server.fake.held.key == public_of(KEY) == lab.loop.key.value
    assert [peer.allowed for peer in lab.server.fake.held.peers] == [("10.244.2.0/24",)]
    assert [tunnel.mtu for tunnel in lab.server.shaped] == [1440]


def test_before_anybody_serves_it_there_are_no_routes_and_the_node_is_not_ready(lab: Lab) -> None:
    lab.server.trouble = "the program wireguard-go is missing: apt-get install wireguard-go"
    lab.play(lambda: lab.put(TWO), lambda: lab.server.there, lab.pass_time, lambda: bool(lab.loop.failed))
    assert lab.server.shaped == []
    assert list(lab.loop.failed.values()) == [f"the encrypted tunnel is not in force: {lab.server.trouble}"]
    assert lab.loop.cut_off == tuple(lab.loop.failed.values())
    status = lab.loop.status()
    assert status is not None
    assert not status["ready"]


def test_another_process_is_told_everything_again(lab: Lab) -> None:
    lab.play(lambda: lab.put(TWO), lab.serve, lab.in_force, lab.serve, lambda: len(lab.server.shaped) == 2)
    assert lab.server.fake.held.key == public_of(KEY)


def test_a_device_that_was_removed_is_made_and_shaped_anew(lab: Lab) -> None:
    def remove() -> None:
        lab.server.there = False

    lab.play(lambda: lab.put(TWO), lab.serve, lab.in_force, remove, lambda: len(lab.server.shaped) == 2)


def test_a_node_without_a_key_is_no_peer_and_a_problem_after_a_while(lab: Lab) -> None:
    lab.play(lambda: lab.put(UNHEARD), lab.serve, lab.in_force)
    assert lab.server.fake.held.peers == ()
    assert lab.loop.failed == {}
    lab.play(lab.pass_time, lambda: bool(lab.loop.failed))
    assert list(lab.loop.failed.values()) == [
        "node node-2 has told no key of WireGuard: what is for its pods is dropped"
    ]
    assert lab.loop.cut_off == ()
    lab.play(lambda: lab.put(TWO), lambda: not lab.loop.failed)
    assert len(lab.server.fake.held.peers) == 1


def test_another_private_key_is_put_and_told(lab: Lab) -> None:
    lab.play(lambda: lab.put(TWO), lab.serve, lab.in_force)
    lab.server.private = OTHER_KEY
    lab.play(lambda: lab.server.fake.held.key == public_of(OTHER_KEY))
    assert lab.loop.key.value == public_of(OTHER_KEY)


def test_without_encryption_the_device_is_removed_once(lab: Lab) -> None:
    lab.play(lambda: lab.put(PLAIN), lambda: lab.server.closed == 1)
    assert (lab.loop.status(), lab.loop.key.value, lab.loop.failed) == (None, "", {})
    lab.play(lambda: lab.put(TWO), lab.serve, lab.in_force, lambda: lab.put(PLAIN), lambda: lab.server.closed == 2)
    assert lab.loop.status() is None


def test_a_refusal_is_tried_again_until_it_holds(lab: Lab) -> None:
    lab.server.refuse = "device wgtd1: Operation not permitted"
    lab.play(lambda: lab.put(TWO), lab.serve, lambda: lab.server.fake.held.key != "", lab.pass_time)
    lab.play(lambda: bool(lab.loop.failed))
    assert not lab.loop.in_force
    lab.server.refuse = ""
    lab.play(lab.in_force, lambda: not lab.loop.failed)


def test_status_names_the_last_handshake_with_each_node(lab: Lab) -> None:
    lab.play(lambda: lab.put(TWO), lab.serve, lab.in_force)
    assert lab.loop.status() == {
        "by": "tun",
        "publicKey": public_of(KEY),
        "ready": True,
        "peers": [{"node": "node-2", "handshake": ""}],
    }
