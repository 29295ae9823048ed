"""Policies about names on the real kernel: real questions to Unbound, real connections to what it answered."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netns.nameslab import CLIENT, OTHER, Agent, NamesLab, echoes, policy, view_of
from netns.pods import NETNS
from tandem.base.netns import in_netns
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables, listing
from tandem.ir.policy import Anyone
from tandem.observe.conntrack import Connection, end_connections
from tandem.runtime import domains
from tandem.runtime.established import denied_by
from tandem.runtime.names import SHORTEST

pytestmark = pytest.mark.root

FIRST, SECOND, THIRD = "192.0.2.1", "192.0.2.2", "192.0.2.3"
SIX = "2001:db8:f::1"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NamesLab]:
    monkeypatch.setattr(domains, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(domains, "PAUSE", 0.02)
    made = NamesLab(tmp_path)
    try:
        made.start()
        made.upstream.zone = {
            ("example.test", "A"): [FIRST],
            ("www.shop.test", "A"): [SECOND],
            ("www.shop.test", "AAAA"): [SIX],
            ("other.test", "A"): [THIRD],
        }
        yield made
    finally:
        made.stop()


def test_a_name_that_is_written_out_is_open_before_any_pod_asks(lab: NamesLab) -> None:
    async def work(agent: Agent) -> None:
        await agent.knows(example_test=[FIRST])
        assert await asyncio.to_thread(lab.reaches, CLIENT, FIRST)
        for closed in (SECOND, THIRD, SIX):
            assert not await asyncio.to_thread(lab.reaches, CLIENT, closed)
        assert await asyncio.to_thread(lab.reaches, OTHER, THIRD)

    lab.play(work)


def test_a_name_below_a_wildcard_is_open_once_a_pod_has_asked(lab: NamesLab) -> None:
    async def work(agent: Agent) -> None:
        await agent.knows(example_test=[FIRST])
        assert not await asyncio.to_thread(lab.reaches, CLIENT, SECOND)
        assert await asyncio.to_thread(lab.resolve, CLIENT, "www.shop.test") == [SECOND]
        await agent.knows(example_test=[FIRST], any_shop_test=[SECOND])
        assert await asyncio.to_thread(lab.reaches, CLIENT, SECOND)
        assert await asyncio.to_thread(lab.resolve, CLIENT, "www.shop.test", "AAAA", server="fd00:10:96::a") == [SIX]
        await agent.knows(example_test=[FIRST], any_shop_test=[SECOND, SIX])
        assert await asyncio.to_thread(lab.reaches, CLIENT, SIX)

    lab.play(work)


def test_other_names_stay_closed_and_are_not_kept(lab: NamesLab) -> None:
    async def work(agent: Agent) -> None:
        await agent.knows(example_test=[FIRST])
        assert await asyncio.to_thread(lab.resolve, CLIENT, "other.test") == [THIRD]
        assert await asyncio.to_thread(lab.resolve, CLIENT, "www.shop.test") == [SECOND]
        await agent.knows(example_test=[FIRST], any_shop_test=[SECOND])
        assert not await asyncio.to_thread(lab.reaches, CLIENT, THIRD)
        await agent.until(lambda: "www.shop.test" in lab.directory.names.read_text())
        assert "other.test" not in lab.directory.names.read_text()

    lab.play(work)


def test_pods_whose_policy_is_about_no_names_are_not_observed(lab: NamesLab) -> None:
    async def work(agent: Agent) -> None:
        await agent.knows(example_test=[FIRST])
        assert await asyncio.to_thread(lab.resolve, OTHER, "www.shop.test") == [SECOND]
        lab.upstream.zone["deep.down.shop.test", "A"] = [THIRD]
        assert await asyncio.to_thread(lab.resolve, CLIENT, "deep.down.shop.test") == [THIRD]
        await agent.knows(example_test=[FIRST], any_shop_test=[THIRD])

    lab.play(work)


def test_aliases_lead_to_addresses_of_the_name_that_was_asked_for(lab: NamesLab) -> None:
    lab.upstream.zone |= {("cdn.shop.test", "CNAME"): ["edge.other.test"], ("edge.other.test", "A"): [THIRD]}

    async def work(agent: Agent) -> None:
        assert await asyncio.to_thread(lab.resolve, CLIENT, "edge.other.test") == [THIRD]
        assert await asyncio.to_thread(lab.resolve, CLIENT, "cdn.shop.test") == [THIRD]
        await agent.knows(example_test=[FIRST], any_shop_test=[THIRD])
        assert await asyncio.to_thread(lab.reaches, CLIENT, THIRD)

    lab.play(work)


def test_a_hundred_addresses_of_one_answer_by_tcp_are_learned(lab: NamesLab) -> None:
    many = [f"192.0.2.{n}" for n in range(20, 140)]
    lab.upstream.zone["many.shop.test", "A"] = many

    async def work(agent: Agent) -> None:
        await agent.knows(example_test=[FIRST])
        assert len(await asyncio.to_thread(lambda: lab.resolve(CLIENT, "many.shop.test", tcp=True))) == len(many)
        await agent.knows(example_test=[FIRST], any_shop_test=many)
        assert await asyncio.to_thread(lab.reaches, CLIENT, many[-1])

    lab.play(work)


def test_an_address_ends_with_its_time_and_connections_to_it_do_not(lab: NamesLab) -> None:
    async def work(agent: Agent) -> None:
        await agent.knows(example_test=[FIRST])
        made = await asyncio.to_thread(lab.connect, CLIENT, FIRST)
        assert made is not None
        lab.upstream.zone["example.test", "A"] = [SECOND]
        lab.clock.advance(SHORTEST - 1)
        await agent.knows(example_test=[FIRST, SECOND])
        lab.clock.advance(SHORTEST - 2)
        await agent.knows(example_test=[SECOND])
        assert agent.now.lapsed == {"example.test": (FIRST,)}
        assert not await asyncio.to_thread(lab.reaches, CLIENT, FIRST)
        assert await asyncio.to_thread(lab.reaches, CLIENT, SECOND)
        assert await asyncio.to_thread(echoes, made)
        # A change of policy that still allows the name leaves it alone; one that does not, ends it.
        assert FIRST not in ended(agent)
        assert await asyncio.to_thread(echoes, made)
        await agent.change(view_of((CLIENT, policy("*.shop.test", id_="less")), (OTHER, None)))
        assert FIRST in ended(agent)
        assert not await asyncio.to_thread(echoes, made)
        made.close()

    lab.play(work)


def test_while_dns_is_silent_nothing_that_is_open_closes(lab: NamesLab) -> None:
    async def work(agent: Agent) -> None:
        await asyncio.to_thread(lab.resolve, CLIENT, "www.shop.test")
        await agent.knows(example_test=[FIRST], any_shop_test=[SECOND])
        lab.upstream.silent = True
        for _ in range(3):
            lab.clock.advance(10 * SHORTEST)
            await agent.until(lambda: agent.names.asking == 0)
            await agent.knows(example_test=[FIRST], any_shop_test=[SECOND])
        assert await asyncio.to_thread(lab.reaches, CLIENT, FIRST)
        assert await asyncio.to_thread(lab.reaches, CLIENT, SECOND)
        lab.upstream.zone = {("example.test", "A"): [THIRD]}
        lab.upstream.silent = False
        lab.clock.advance(10 * SHORTEST)
        await agent.knows(example_test=[THIRD])

    lab.play(work)


@pytest.mark.parametrize("address", [SECOND, SIX])
def test_a_connection_that_comes_before_its_name_is_learned_does_not_wait_for_its_own_retry(
    lab: NamesLab, address: str
) -> None:
    async def work(agent: Agent) -> None:
        await agent.knows(example_test=[FIRST])
        trying = asyncio.create_task(asyncio.to_thread(lambda: lab.connect(CLIENT, address, timeout=20)))  # noqa: TID251
        await agent.until(lambda: bool(agent.denied))
        kind = "AAAA" if address == SIX else "A"
        assert await asyncio.to_thread(lab.resolve, CLIENT, "www.shop.test", kind) == [address]
        made = await trying
        assert made is not None
        with made:
            assert retransmissions(made) == 0
            assert echoes(made)

    lab.play(work)


def retransmissions(sock: socket.socket) -> int:
    """By the pod's own kernel: `tcpi_total_retrans` (linux/tcp.h)."""
    return int.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[100:104], sys.byteorder)


def test_a_new_agent_goes_on_without_a_moment_of_closed_policy(lab: NamesLab) -> None:
    async def first(agent: Agent) -> None:
        await asyncio.to_thread(lab.resolve, CLIENT, "www.shop.test")
        await agent.knows(example_test=[FIRST], any_shop_test=[SECOND])

    async def second(agent: Agent) -> None:
        assert agent.now.learned == {"example.test": (FIRST,), "*.shop.test": (SECOND,)}
        assert await asyncio.to_thread(lab.reaches, CLIENT, SECOND)

    lab.play(first)
    lab.upstream.silent = True
    # Neither agent nor DNS server is there: what is open stays open.
    assert lab.reaches(CLIENT, FIRST)
    assert lab.reaches(CLIENT, SECOND)
    assert not lab.reaches(CLIENT, THIRD)
    lab.clock.advance(100 * SHORTEST)
    lab.play(second)


def ended(agent: Agent) -> set[str]:
    """Where connections led to that the policy of now does not allow to go on."""
    denied, found = denied_by(agent.now), set()

    def ends(connection: Connection) -> bool:
        if denied(connection) is None:
            return False
        found.add(connection.destination)
        return True

    end_connections(ends)
    return found


def open_udp(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(5)
    made.bind((address, 0))
    return made


FORGE = """
import socket, struct, sys
source, target, port, name, address = sys.argv[1:]
question = b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\\0" + struct.pack(">HH", 1, 1)
answer = b"\\xc0\\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
s.bind((source, 53))
for _ in range(3):
    s.sendto(struct.pack(">HHHHHH", 7, 0x8180, 1, 1, 0, 0) + question + answer, (target, int(port)))
"""


@pytest.mark.parametrize("source", ["10.96.0.10", "10.244.0.3"])
def test_an_answer_of_another_pod_opens_nothing(lab: NamesLab, source: str) -> None:
    """Under the DNS server's address, and under its own as a server that the pod may ask."""

    async def work(agent: Agent) -> None:
        await agent.change(
            view_of((CLIENT, policy("example.test", "*.shop.test", others=(Anyone(),), id_="all")), (OTHER, None))
        )
        await agent.knows(example_test=[FIRST])
        netns = lab.netns_of(OTHER)
        if source != "10.244.0.3":
            lab.run(netns, f"ip addr add {source}/32 dev eth0")
        sock = in_netns(str(NETNS / lab.netns_of(CLIENT)), lambda: open_udp("10.244.0.2"))
        with sock:
            if source == "10.244.0.3":  # a question, so that what comes is an answer to it
                sock.sendto(b"question", (source, 53))
            argv = ["ip", "netns", "exec", netns, "python3", "-c", FORGE, source, "10.244.0.2"]
            argv += [str(sock.getsockname()[1]), "forged.shop.test", THIRD]
            await asyncio.to_thread(subprocess.run, argv, check=True)
            if source == "10.244.0.3":
                assert b"forged" in await asyncio.to_thread(sock.recv, 999)
        # A true answer afterwards, so that a forged one would have been taken by now.
        await asyncio.to_thread(lab.resolve, CLIENT, "www.shop.test")
        await agent.knows(example_test=[FIRST], any_shop_test=[SECOND])

    lab.play(work)


def test_what_a_foreign_name_has_of_the_clusters_own_addresses_is_not_opened(lab: NamesLab) -> None:
    lab.upstream.zone["rebound.shop.test", "A"] = ["10.244.0.3", "10.96.0.1", "127.0.0.1", "169.254.169.254", THIRD]

    async def work(agent: Agent) -> None:
        assert len(await asyncio.to_thread(lab.resolve, CLIENT, "rebound.shop.test")) == 5
        await agent.knows(example_test=[FIRST], any_shop_test=[THIRD])

    lab.play(work)


def test_the_kernel_has_what_the_view_says_and_nothing_where_no_policy_is_about_names(lab: NamesLab) -> None:
    async def work(agent: Agent) -> None:
        await agent.knows(example_test=[FIRST])
        assert "learn-names" in chains(lab)
        await agent.change(view_of((CLIENT, None), (OTHER, None)))
        assert "learn-names" not in chains(lab)
        assert not plan(agent.nft.read(), compile_nft(agent.now))

    lab.play(work)
    Libnftables(lab.path).remove()


def chains(lab: NamesLab) -> set[str]:
    return {entry["chain"]["name"] for entry in listing("list chains inet", lab.path) if "chain" in entry}
