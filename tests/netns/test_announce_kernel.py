"""An address moves from node to node, seen by a neighbour on the same segment: its caches, and what it reaches."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator

import pytest

from netns.podlab import ip, lab
from netns.pods import Lab as Processes
from tandem.drivers.announce import real
from tandem.drivers.announce.real import KernelAnnouncer

pytestmark = pytest.mark.root

FOUR, SIX = "192.0.2.65", "2001:db8::65"
BOTH = frozenset({FOUR, SIX})
SERVE = """
import socket
s = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    c, _ = s.accept(); c.sendall(NAME); c.close()
"""
ASK = """
import socket, sys
for line in sys.stdin:
    try:
        with socket.create_connection((line.strip(), 80), 1.0) as s: print(s.recv(9).decode(), flush=True)
    except OSError as e: print(type(e).__name__, flush=True)
"""


class Segment:
    """Nodes `a` and `b` and a neighbour on one bridge, which is a namespace of its own."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}
        self.ask: Callable[[str], str] = lambda _: ""

    def neighbour(self, address: str) -> str:
        """The MAC address that the neighbour has for an address."""
        found = json.loads(ip(self.paths["out"], "-json", "neighbour", "show", address))
        return str(found[0].get("lladdr", "")) if found else ""

    def mac(self, name: str) -> str:
        return str(json.loads(ip(self.paths[name], "-json", "link", "show", "eth0"))[0]["address"])

    def announcer(self, name: str) -> KernelAnnouncer:
        return KernelAnnouncer(self.paths[name])

    async def hold(self, name: str, addresses: frozenset[str]) -> None:
        """As an agent that ends at once: nothing is renewed."""
        announcer = self.announcer(name)
        await announcer.hold(addresses)
        await announcer.close()


@pytest.fixture(scope="module")
def segment() -> Iterator[Segment]:
    made, processes = Segment(), Processes()
    with lab() as spaces, contextlib.ExitStack() as stack:
        switch = spaces.add("switch")
        ip(switch, "link", "add", "br0", "type", "bridge")
        ip(switch, "link", "set", "br0", "up")
        for number, name in enumerate(("a", "b", "out"), 1):
            made.paths[name] = path = spaces.add(name)
            ip(
                switch,
                "link",
                "add",
                f"to-{name}",
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                path.rpartition("/")[2],
            )
            ip(switch, "link", "set", f"to-{name}", "master", "br0", "up")
            ip(path, "address", "add", f"192.0.2.{number}/24", "dev", "eth0")
            ip(path, "address", "add", f"2001:db8::{number}/64", "dev", "eth0", "nodad")
            for link in ("lo", "eth0"):
                ip(path, "link", "set", link, "up")
        for name in ("a", "b"):
            code = SERVE.replace("NAME", repr(name.encode()))
            server = stack.enter_context(processes.python(made.paths[name].rpartition("/")[2], code))
            assert server.stdout
            assert server.stdout.readline() == "ready\n"
        client = stack.enter_context(processes.python(made.paths["out"].rpartition("/")[2], ASK))

        def ask(address: str) -> str:
            assert client.stdin
            assert client.stdout
            client.stdin.write(f"{address}\n")
            client.stdin.flush()
            return client.stdout.readline().strip()

        made.ask = ask
        yield made


async def take(segment: Segment, name: str) -> None:
    await segment.hold(name, BOTH)
    await segment.announcer(name).announce(BOTH)


def test_a_neighbour_follows_an_address_that_moves_at_once(segment: Segment) -> None:
    asyncio.run(take(segment, "a"))
    assert [segment.ask(address) for address in (FOUR, SIX)] == ["a", "a"]
    assert segment.neighbour(FOUR) == segment.neighbour(SIX) == segment.mac("a")

    async def move() -> None:
        await segment.hold("a", frozenset())
        await take(segment, "b")

    asyncio.run(move())
    assert segment.neighbour(FOUR) == segment.neighbour(SIX) == segment.mac("b")
    assert [segment.ask(address) for address in (FOUR, SIX)] == ["b", "b"]


def test_without_the_announcement_the_neighbour_stays_with_the_old_node(segment: Segment) -> None:
    """The proof that the test above sees the announcement and not something else."""
    asyncio.run(take(segment, "a"))
    asyncio.run(segment.hold("b", frozenset()))
    assert segment.ask(FOUR) == "a"

    async def move() -> None:
        await segment.hold("a", frozenset())
        await segment.hold("b", BOTH)

    asyncio.run(move())
    assert segment.neighbour(FOUR) == segment.mac("a")
    asyncio.run(segment.announcer("b").announce(BOTH))
    assert segment.neighbour(FOUR) == segment.mac("b")


def test_the_node_itself_does_not_speak_from_the_address(segment: Segment) -> None:
    asyncio.run(take(segment, "a"))
    routes = [json.loads(ip(segment.paths["a"], "-json", "route", "get", to))[0] for to in ("192.0.2.3", "2001:db8::3")]
    assert [route["prefsrc"] for route in routes] == ["192.0.2.1", "2001:db8::1"]


def test_a_busy_agent_keeps_its_addresses_and_a_dead_one_falls_silent(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real, "LEASE_SECONDS", 3)
    announcer = segment.announcer("a")

    async def busy() -> None:
        await announcer.hold(BOTH)
        time.sleep(5)  # noqa: ASYNC251 - the loop is blocked, as by ten thousand Services
        assert await announcer.owned() == (FOUR, SIX)
        await announcer.close()

    asyncio.run(busy())
    for _ in range(40):
        if not asyncio.run(announcer.owned()):
            return
        time.sleep(0.25)
    raise AssertionError(asyncio.run(announcer.owned()))
