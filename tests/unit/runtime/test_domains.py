"""The loop over names with a server of the test's; with a kernel: tests/netns/test_names_on_kernel.py."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.rrset
import msgspec
import pytest

from netns.nameslab import CLIENT, OTHER, policy, view_of
from tandem.base.clock import FixedClock
from tandem.base.problems import DriverError
from tandem.drivers.dns.port import DnsError
from tandem.ir.node import NodeView
from tandem.runtime import domains
from tandem.runtime.domains import DomainsLoop
from tandem.state.dns import NameAnswer

VIEW = view_of((CLIENT, policy("example.test", "*.shop.test")), (OTHER, None))
PLAIN = view_of((CLIENT, None), (OTHER, None))


class Server:
    """Knows what it is told; any other name is an error."""

    def __init__(self) -> None:
        self.zone: dict[str, tuple[str, ...]] = {}
        self.asked: list[tuple[str, str, int]] = []

    async def ask(self, name: str, server: str, version: int) -> NameAnswer:
        self.asked.append((name, server, version))
        if name not in self.zone:
            raise DnsError("SERVFAIL")
        found = tuple(a for a in self.zone[name] if (":" in a) == (version == 6))
        return NameAnswer(name=name, version=version, addresses=found, ttl=30)


class Lab:
    def __init__(self, path: Path) -> None:
        self.journal = path / "names.json"
        self.clock = FixedClock()
        self.server = Server()
        self.changes = 0
        self.loop = self.new()

    def new(self) -> DomainsLoop:
        return DomainsLoop(self.journal, self.clock, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def text(self) -> str:
        return self.journal.read_text() if self.journal.exists() else ""

    def into(self) -> NodeView:
        return self.loop.into(VIEW)

    def take(self, *messages: bytes) -> None:
        """Answers that come together."""

        async def main() -> None:
            for message in messages:
                self.loop.take(message)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        asyncio.run(main())

    def play(self, *steps: Callable[[], object]) -> None:
        """Each step is taken when what the one before looked for holds; false: not yet."""

        async def main() -> None:
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self.loop.run())
                for step in steps:
                    while step() is False:  # noqa: ASYNC110 - the loop has no end to wait for
                        await asyncio.sleep(0.005)
                running.cancel()

        asyncio.run(main())


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = Lab(tmp_path)
    monkeypatch.setattr(domains, "PAUSE", 0.01)
    monkeypatch.setattr(domains, "RETRY_SECONDS", 0.02)
    monkeypatch.setattr(domains, "FORGET_SECONDS", 0.1)
    monkeypatch.setattr(domains, "open_answers", nothing)
    monkeypatch.setattr(domains, "ask", made.server.ask)
    monkeypatch.setattr(domains, "_connected", lambda: {"192.0.2.7"})
    return made


def opened(view: NodeView) -> dict[str, tuple[str, ...]]:
    """Patterns that have addresses."""
    return {pattern: found for pattern, found in view.learned.items() if found}


def nothing() -> socket.socket:
    """Never has anything to read."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made


def answer(name: str, *addresses: str) -> bytes:
    made = dns.message.make_response(dns.message.make_query(name, "A"))
    made.answer.append(dns.rrset.from_text_list(f"{name}.", 30, "IN", "A", addresses))
    return made.to_wire()


def test_a_view_without_names_is_the_view_itself(lab: Lab) -> None:
    assert lab.loop.into(PLAIN) is PLAIN


def test_names_that_are_written_out_are_asked_for_in_the_families_of_their_pods(lab: Lab) -> None:
    lab.server.zone = {"example.test": ("192.0.2.1", "2001:db8::1")}
    lab.play(lab.into, lambda: lab.changes == 1)
    assert opened(lab.into()) == {"example.test": ("192.0.2.1", "2001:db8::1")}
    assert lab.server.asked == [("example.test", "10.96.0.10", 4), ("example.test", "10.96.0.10", 6)]


def test_another_server_is_asked_where_the_first_says_nothing(lab: Lab) -> None:
    lab.play(lab.into, lambda: len(lab.server.asked) >= 4)
    assert [server for _, server, version in lab.server.asked if version == 4][:2] == ["10.96.0.10", "fd00:10:96::a"]


def test_what_pods_are_told_is_learned_and_other_bytes_are_not(lab: Lab) -> None:
    lab.into()
    lab.take(b"no message", answer("other.test", "192.0.2.9"))
    assert lab.changes == 0
    lab.take(answer("www.shop.test", "192.0.2.2"))
    assert lab.changes == 1
    assert opened(lab.into()) == {"*.shop.test": ("192.0.2.2",)}
    assert lab.loop.status() == {
        "patterns": ["*.shop.test", "example.test"],
        "known": 1,
        "addresses": {"www.shop.test": ["192.0.2.2"]},
    }


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("www.shop.test", ("192.0.2.2",)),
        ("db.shop.svc.cluster.local", ("10.244.0.9", "10.96.0.7", "192.0.2.2")),
    ],
)
def test_names_of_outside_have_no_address_of_the_cluster(lab: Lab, name: str, addresses: tuple[str, ...]) -> None:
    view = view_of((CLIENT, policy("*.shop.test", "*.svc.cluster.local")))
    lab.loop.into(view)
    told = ("10.244.0.9", "10.96.0.7", "127.0.0.1", "0.0.0.0", "169.254.169.254", "224.0.0.1", "192.0.2.2")
    lab.take(answer(name, *told))
    assert list(opened(lab.loop.into(view)).values()) == [addresses]


def test_where_nobody_tells_the_pools_the_nodes_blocks_are_the_clusters(lab: Lab) -> None:
    config = msgspec.structs.replace(VIEW.config, pod_networks=())
    lab.loop.into(msgspec.structs.replace(VIEW, config=config))
    lab.take(answer("www.shop.test", "10.244.0.9", "10.9.0.1"))
    assert opened(lab.loop.into(VIEW)) == {"*.shop.test": ("10.9.0.1",)}


def test_what_is_known_is_kept_for_the_next_agent(lab: Lab) -> None:
    lab.into()
    lab.play(lambda: lab.loop.take(answer("www.shop.test", "192.0.2.2")), lambda: "192.0.2.2" in lab.text())
    assert lab.journal.stat().st_mode & 0o777 == 0o600
    lab.clock.advance(1_000_000)
    assert opened(lab.new().into(VIEW)) == {"*.shop.test": ("192.0.2.2",)}


def test_an_agent_that_ends_keeps_what_it_has_just_learned(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "PAUSE", 3600.0)
    lab.into()
    lab.play(
        lambda: lab.loop.take(answer("www.shop.test", "192.0.2.2")),
        lambda: "192.0.2.2" in lab.text(),
        lambda: lab.loop.take(answer("www.shop.test", "192.0.2.3")),
    )
    assert opened(lab.new().into(VIEW)) == {"*.shop.test": ("192.0.2.2", "192.0.2.3")}


@pytest.mark.parametrize("data", [b"", b"{", b'{"a.test": 7}', b"\xff"])
def test_a_file_that_cannot_be_read_opens_nothing(lab: Lab, data: bytes) -> None:
    lab.journal.write_bytes(data)
    assert opened(lab.new().into(VIEW)) == {}


def test_a_file_that_cannot_be_written_stops_nothing(lab: Lab) -> None:
    lab.journal.with_name("names.json.new").mkdir()
    lab.server.zone = {"example.test": ("192.0.2.1",)}
    lab.play(lab.into, lambda: opened(lab.into()) == {"example.test": ("192.0.2.1",)})


def test_what_ended_is_forgotten_where_nobody_is_connected(lab: Lab) -> None:
    lab.server.zone = {"example.test": ("192.0.2.7", "192.0.2.8")}

    def other_address() -> None:
        lab.server.zone = {"example.test": ("192.0.2.1",)}
        lab.clock.advance(3600)

    lab.play(
        lab.into,
        lambda: opened(lab.into()) != {},
        other_address,
        lambda: lab.into().lapsed == {"example.test": ("192.0.2.7", "192.0.2.8")},
        lambda: lab.clock.advance(1),
        lambda: lab.into().lapsed == {"example.test": ("192.0.2.7",)},
    )


def test_a_kernel_that_copies_nothing_is_told_and_asked_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = ["no such module"] * 2

    def refuse() -> socket.socket:
        if refusals:
            raise DriverError(refusals.pop())
        return nothing()

    monkeypatch.setattr(domains, "open_answers", refuse)
    lab.play(lambda: "no such module" in str(lab.loop.failed), lambda: not lab.loop.failed)


def test_answers_that_come_together_make_one_view(lab: Lab) -> None:
    lab.into()
    lab.play(
        *(lambda n=n: lab.loop.take(answer(f"w{n}.shop.test", f"192.0.2.{n}")) for n in range(1, 60)),
        lambda: len(opened(lab.into())["*.shop.test"]) == 59,
        lambda: lab.changes > 0,
    )
    assert lab.changes == 1


def test_ever_new_names_make_so_many_views_at_once_and_then_one_in_a_while(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domains, "GATHER", 3600.0)
    monkeypatch.setattr(domains, "BURST", 5)
    lab.into()

    async def main() -> None:
        for n in range(1, 30):
            lab.loop.take(answer(f"w{n}.shop.test", f"192.0.2.{n}"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    asyncio.run(main())
    assert lab.changes == 5
    assert len(opened(lab.into())["*.shop.test"]) == 29
