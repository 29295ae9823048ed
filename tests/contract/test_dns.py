"""The DNS driver's promises, kept by the fake and by Unbound alike; and what Unbound's process promises."""

# ruff: noqa: ASYNC110, ASYNC240 - another process is polled, and test directories are small
from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset
import pytest

from netns.podlab import lab
from tandem.base.netns import in_netns
from tandem.base.paths import NodeDir
from tandem.compile.dns import compile_records, compile_settings
from tandem.drivers.dns.answers import ask as ask_for
from tandem.drivers.dns.fake import FakeDns
from tandem.drivers.dns.plan import Held, desired, plan
from tandem.drivers.dns.port import DnsDriver, DnsError
from tandem.drivers.dns.process import Unbound
from tandem.ir.fabric import Endpoint
from tandem.state.dns import INSIDE, Answers, NameAnswer, Record
from unit.compile.dns.dnsview import SHOP, endpoint, query, records, service, view

pytestmark = pytest.mark.root

ADDRESS = "10.96.0.10"
SETTINGS = compile_settings(SHOP)
ANSWERS = Answers(records=compile_records(SHOP))
NOTHING = Answers()
Scene = Callable[[DnsDriver], Awaitable[None]]


def ask(name: str, kind: str = "A", *, tcp: bool = False, edns: int | None = None) -> dns.message.Message:
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query(name, kind, edns=edns), ADDRESS, timeout=20)


@contextlib.contextmanager
def answering(address: str) -> Iterator[None]:
    """A name server that has one address for every name."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind((address, 53))

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    data, peer = sock.recvfrom(4096)
                    asked = dns.message.from_wire(data)
                    answer = dns.message.make_response(asked)
                    answer.flags |= dns.flags.RA
                    name = asked.question[0].name
                    answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.7"))
                    sock.sendto(answer.to_wire(), peer)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield


async def ready(server: Unbound) -> None:
    while not (await server.status()).ready:
        await asyncio.sleep(0.01)


def serving(work: Callable[[Unbound], Awaitable[None]], path: Path, answers: Answers = NOTHING) -> None:
    """Run `work` beside a server, in a network namespace of their own."""

    async def main() -> None:
        server = Unbound(NodeDir(path))
        server.answers = answers
        try:
            async with asyncio.timeout(60):
                await server.start(SETTINGS)
                await ready(server)
                await work(server)
        finally:
            await server.stop()

    with lab() as spaces:
        node = spaces.add("node")
        for command in ("ip link set lo up", f"ip address add {ADDRESS}/32 dev lo"):
            assert os.system(f"nsenter --net={node} {command}") == 0  # noqa: S605 - fixed words
        in_netns(node, lambda: asyncio.run(main()))


@pytest.fixture(params=["fake", "real"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scene], None]:
    async def faked(scene: Scene) -> None:
        await scene(FakeDns())

    if request.param == "fake":
        return lambda scene: asyncio.run(faked(scene))
    return lambda scene: serving(lambda server: scene(server.records), tmp_path)


async def change(driver: DnsDriver, answers: Answers) -> Held:
    await driver.apply(plan(await driver.read(), answers))
    return await driver.read()


def test_what_is_applied_is_read(play: Callable[[Scene], None]) -> None:
    async def scene(driver: DnsDriver) -> None:
        assert await driver.read() == Held()
        assert await change(driver, ANSWERS) == desired(ANSWERS)

    play(scene)


def test_every_kind_of_change_is_applied(play: Callable[[Scene], None]) -> None:
    less = Answers(records=frozenset(r for r in ANSWERS.records if r.data != "10.244.0.3"), upstreams=("192.0.2.1",))
    other = Answers(records=frozenset({Record("out.shop.svc.cluster.local.", "A", "10.96.1.1")}))

    wild = Answers(
        hosts=frozenset({Record("*.example.com.", "A", "192.0.2.9"), Record("example.org.", "A", "1.1.1.1")})
    )

    async def scene(driver: DnsDriver) -> None:
        for answers in (ANSWERS, less, wild, other, Answers(), ANSWERS):
            assert await change(driver, answers) == desired(answers)

    play(scene)


def test_ten_thousand_services_are_loaded_in_one_go(play: Callable[[Scene], None]) -> None:
    many = Answers(records=frozenset(Record(f"s{n}.big.svc.cluster.local.", "A", "10.96.9.9") for n in range(10_000)))

    async def scene(driver: DnsDriver) -> None:
        assert await change(driver, many) == desired(many)

    play(scene)


# What the server answers.

REVERSE = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa"
REPLIES = [
    ("web.shop.svc.cluster.local", "A", "NOERROR", ["A 10.96.1.1"]),
    ("WEB.Shop.svc.CLUSTER.local", "A", "NOERROR", ["A 10.96.1.1"]),
    ("web.shop.svc.cluster.local", "AAAA", "NOERROR", []),
    ("_http._tcp.web.shop.svc.cluster.local", "SRV", "NOERROR", ["SRV 0 100 80 web.shop.svc.cluster.local."]),
    ("db.shop.svc.cluster.local", "A", "NOERROR", ["A 10.244.0.12", "A 10.244.0.3"]),
    ("db-0.db.shop.svc.cluster.local", "A", "NOERROR", ["A 10.244.0.3"]),
    ("10-244-0-12.db.shop.svc.cluster.local", "A", "NOERROR", ["A 10.244.0.12"]),
    ("1.1.96.10.in-addr.arpa", "PTR", "NOERROR", ["PTR web.shop.svc.cluster.local."]),
    ("3.0.244.10.in-addr.arpa", "PTR", "NOERROR", ["PTR db-0.db.shop.svc.cluster.local."]),
    ("inner.shop.svc.cluster.local", "A", "NOERROR", ["A 10.96.1.1", "CNAME web.shop.svc.cluster.local."]),
    ("out.shop.svc.cluster.local", "CNAME", "NOERROR", ["CNAME example.org."]),
    ("both.shop.svc.cluster.local", "AAAA", "NOERROR", ["AAAA fd00:10:96::103"]),
    ("six.shop.svc.cluster.local", "AAAA", "NOERROR", ["AAAA fd00:10:244::12", "AAAA fd00:10:244::3"]),
    ("six.shop.svc.cluster.local", "A", "NOERROR", []),
    (f"3.0.1.{REVERSE}", "PTR", "NOERROR", ["PTR both.shop.svc.cluster.local."]),
    (f"4.0.1.{REVERSE}", "PTR", "NXDOMAIN", []),
    ("dns-version.cluster.local", "TXT", "NOERROR", ['TXT "1.1.0"']),
    ("shop.svc.cluster.local", "A", "NOERROR", []),
    ("nope.shop.svc.cluster.local", "A", "NXDOMAIN", []),
    ("below.out.shop.svc.cluster.local", "A", "NXDOMAIN", []),
    ("example.org.shop.svc.cluster.local", "A", "NXDOMAIN", []),
    ("nope.cluster.local", "A", "NXDOMAIN", []),
    ("9.9.96.10.in-addr.arpa", "PTR", "NXDOMAIN", []),
    ("example.org", "A", "SERVFAIL", []),
    ("out.shop.svc.cluster.local", "A", "SERVFAIL", ["CNAME example.org."]),
]


def test_names_are_answered_by_udp_and_tcp(tmp_path: Path) -> None:
    async def work(_: Unbound) -> None:
        for name, kind, code, found in REPLIES:
            for tcp in (False, True):
                answer = ask(name, kind, tcp=tcp)
                got = (dns.rcode.to_text(answer.rcode()), sorted(records(answer)))
                assert got == (code, found), name
                # RFC 2308: without the SOA a resolver may not cache that there is nothing.
                if code != "SERVFAIL" and not found:
                    [soa] = answer.authority
                    assert soa.ttl <= 5
                    assert soa[0].minimum == 5

    serving(work, tmp_path, ANSWERS)


def test_a_wildcard_is_for_all_names_below_and_the_longest_counts(tmp_path: Path) -> None:
    """As Istio's DNS proxy looks names up; the node's own address is asked by the node, and says what others say."""
    named = {
        "*.example.com.": "192.0.2.1",
        "*.b.example.com.": "192.0.2.2",
        "own.example.com.": "192.0.2.3",
        "*.local.": "192.0.2.4",
    }
    hosts = frozenset(Record(name, "A", address) for name, address in named.items())
    replies = {
        "a.example.com": "192.0.2.1",
        "A.b.C.example.com": "192.0.2.1",
        "x.b.example.com": "192.0.2.2",
        "b.example.com": "192.0.2.1",
        "own.example.com": "192.0.2.3",
        "example.com": "192.0.2.7",
        "printer.local": "192.0.2.4",
        "web.shop.svc.cluster.local": "10.96.1.1",
    }

    async def work(server: Unbound) -> None:
        with answering("127.0.0.9"):
            await change(server.records, Answers(records=ANSWERS.records, hosts=hosts, upstreams=("127.0.0.9",)))
            assert {name: records(ask(name)) for name in replies} == {n: [f"A {a}"] for n, a in replies.items()}
            assert dns.rcode.to_text(ask("nope.shop.svc.cluster.local").rcode()) == "NXDOMAIN"
            other = ask("a.example.com", "AAAA")
            assert (dns.rcode.to_text(other.rcode()), records(other)) == ("NOERROR", [])
            inside = dns.query.udp(query("a.example.com"), INSIDE, timeout=20)
            assert records(inside) == ["A 192.0.2.7"]
            await change(server.records, Answers(records=ANSWERS.records, upstreams=("127.0.0.9",)))
            assert records(ask("a.example.com")) == ["A 192.0.2.7"]

    serving(work, tmp_path, ANSWERS)


def test_a_silent_upstream_is_given_up_before_a_resolver_is_and_another_one_answers(tmp_path: Path) -> None:
    """A resolver of the C library waits five seconds for an answer (resolv.conf(5))."""
    silent, alive = "127.0.0.8", "127.0.0.9"

    async def work(server: Unbound) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as nobody, answering(alive):
            nobody.bind((silent, 53))
            await change(server.records, Answers(upstreams=(silent,)))
            answer = dns.query.udp(query("example.org"), ADDRESS, timeout=5)
            assert dns.rcode.to_text(answer.rcode()) == "SERVFAIL"
            await change(server.records, Answers(upstreams=(silent, alive)))
            for n in range(5):
                answer = dns.query.udp(query(f"w{n}.example.org"), ADDRESS, timeout=5)
                assert records(answer) == ["A 192.0.2.7"]

    serving(work, tmp_path)


def test_a_large_answer_is_truncated_by_udp_and_whole_by_tcp_or_edns(tmp_path: Path) -> None:
    many = tuple(endpoint(f"10.244.1.{n}", http=80) for n in range(1, 61))
    big = Answers(records=compile_records(view(service("big"), big=many)))

    async def work(_: Unbound) -> None:
        name = "big.shop.svc.cluster.local"
        assert ask(name).flags & dns.flags.TC
        assert len(records(ask(name, tcp=True))) == 60
        assert len(records(ask(name, edns=4096))) == 60

    serving(work, tmp_path, big)


def test_a_name_that_changes_is_never_without_an_answer(tmp_path: Path) -> None:
    def shop(*endpoints: Endpoint) -> Answers:
        return Answers(records=compile_records(view(service("db"), db=endpoints)))

    stay, go = endpoint("10.244.0.3", http=80), endpoint("10.244.0.4", http=80)
    both, one = shop(stay, go), shop(stay)

    async def work(server: Unbound) -> None:
        seen: set[str] = set()
        over = threading.Event()

        def look() -> None:
            while not over.is_set():
                answer = ask("db.shop.svc.cluster.local")
                seen.add(f"{dns.rcode.to_text(answer.rcode())} {sorted(records(answer))}")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(look))
            for _ in range(150):
                for answers in (one, both):
                    await change(server.records, answers)
            over.set()
        assert seen <= {"NOERROR ['A 10.244.0.3']", "NOERROR ['A 10.244.0.3', 'A 10.244.0.4']"}

    serving(work, tmp_path, both)


def test_a_name_that_was_denied_is_answered_as_soon_as_it_exists(tmp_path: Path) -> None:
    late = ANSWERS.records | {
        Record("late.shop.svc.cluster.local.", "A", "10.96.1.7"),
        Record("alias.shop.svc.cluster.local.", "CNAME", "late.shop.svc.cluster.local."),
    }

    async def work(server: Unbound) -> None:
        names = ("late.shop.svc.cluster.local", "alias.shop.svc.cluster.local")
        assert {ask(name).rcode() for name in names} == {dns.rcode.NXDOMAIN}
        await change(server.records, Answers(records=late))
        assert all("A 10.96.1.7" in records(ask(name)) for name in names)
        await change(server.records, ANSWERS)
        assert {ask(name).rcode() for name in names} == {dns.rcode.NXDOMAIN}

    serving(work, tmp_path, ANSWERS)


# The process.


def test_a_new_agent_adopts_the_server_of_the_old_one(tmp_path: Path) -> None:
    async def work(first: Unbound) -> None:
        second = Unbound(NodeDir(tmp_path))
        await second.start(SETTINGS)
        status = await second.status()
        assert (status.pid, status.adopted, status.ready) == (first.pid, True, True)
        assert await second.records.read() == desired(ANSWERS)

    serving(work, tmp_path, ANSWERS)


def test_a_server_that_dies_starts_again_with_every_name(tmp_path: Path) -> None:
    async def work(server: Unbound) -> None:
        server.want(SETTINGS)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(server.run())
            await asyncio.sleep(0)
            first, count = server.pid, server.started.value
            os.kill(first, signal.SIGKILL)
            await server.started.after(count)
            await ready(server)
            assert await server.records.read() == desired(ANSWERS)
            status = await server.status()
            assert status.pid != first
            assert status.restarts == 1
            running.cancel()

    serving(work, tmp_path, ANSWERS)


def test_other_settings_replace_the_server(tmp_path: Path) -> None:
    async def work(server: Unbound) -> None:
        other = compile_settings(view(service("web", "10.96.1.1"), dns_addresses=("10.96.0.11", "fd00:10:96::a")))
        server.want(SETTINGS)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(server.run())
            await asyncio.sleep(0)
            first, count = server.pid, server.started.value
            server.want(other)
            await server.started.after(count)
            await ready(server)
            assert server.pid != first
            running.cancel()

    serving(work, tmp_path, ANSWERS)


def test_after_stopping_there_is_neither_process_nor_file(tmp_path: Path) -> None:
    async def work(server: Unbound) -> None:
        await server.stop()
        assert server.pid == 0
        assert {p.name for p in tmp_path.iterdir()} == {"dns.log"}
        with pytest.raises(DnsError):
            await server.records.read()

    serving(work, tmp_path)


# What an agent asks of it.


def test_a_name_is_asked_for_with_its_aliases_in_both_families(tmp_path: Path) -> None:
    async def work(_: Unbound) -> None:
        inner = await ask_for("inner.shop.svc.cluster.local", ADDRESS, 4)
        assert inner == NameAnswer(name="inner.shop.svc.cluster.local", version=4, addresses=("10.96.1.1",), ttl=5)
        six = await ask_for("six.shop.svc.cluster.local", ADDRESS, 6)
        assert six.addresses == ("fd00:10:244::12", "fd00:10:244::3")
        for nothing in ("nope.shop.svc.cluster.local", "six.shop.svc.cluster.local"):
            assert (await ask_for(nothing, ADDRESS, 4)).addresses == ()

    serving(work, tmp_path, ANSWERS)


def test_an_answer_that_is_too_large_for_a_datagram_is_asked_for_whole(tmp_path: Path) -> None:
    many = tuple(endpoint(f"10.244.1.{n}", http=80) for n in range(1, 201))
    big = Answers(records=compile_records(view(service("big"), big=many)))

    async def work(_: Unbound) -> None:
        assert len((await ask_for("big.shop.svc.cluster.local", ADDRESS, 4)).addresses) == 200

    serving(work, tmp_path, big)


def test_a_server_without_an_answer_and_no_server_at_all_are_errors(tmp_path: Path) -> None:
    async def work(server: Unbound) -> None:
        with pytest.raises(DnsError, match=r"SERVFAIL of example\.org"):
            await ask_for("example.org", ADDRESS, 4)
        await server.stop()
        with pytest.raises(DnsError, match=r"does not answer for example\.org"):
            await ask_for("example.org", ADDRESS, 4)

    serving(work, tmp_path, ANSWERS)
