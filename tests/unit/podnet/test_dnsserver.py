"""The server on loopback: own names, forwarding, and upstream servers that fail."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest

from tandem.ir.node import NodeView
from tandem.podnet.dnsserver import DnsServer, read_upstreams
from unit.podnet.dnsview import SHOP, query, records, service, view

LOCALHOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOCALHOST, 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serving(server: DnsServer) -> AsyncIterator[int]:
    port, ready = free_port(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(server.serve(LOCALHOST, port, ready=ready))
        await ready.wait()
        try:
            yield port
        finally:
            task.cancel()


class Upstream(asyncio.DatagramProtocol):
    """Answers every query for A with 192.0.2.7, or never."""

    def __init__(self, *, silent: bool = False) -> None:
        self.silent = silent
        self.asked: list[str] = []
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = dns.message.from_wire(data)
        name = str(asked.question[0].name)
        self.asked.append(name)
        if self.silent or self.transport is None:
            return
        text = f"id {asked.id}\nflags QR RD RA\n;QUESTION\n{asked.question[0]}\n;ANSWER\n{name} 60 IN A 192.0.2.7\n"
        self.transport.sendto(dns.message.from_text(text).to_wire(), addr)


@asynccontextmanager
async def forwarding(upstream: Upstream, newest: Callable[[], NodeView | None]) -> AsyncIterator[int]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: upstream, local_addr=(LOCALHOST, 0)
    )
    try:
        upstream_port = transport.get_extra_info("sockname")[1]
        async with serving(DnsServer(newest, [LOCALHOST], upstream_port=upstream_port)) as port:
            yield port
    finally:
        transport.close()


async def udp(port: int, name: str, kind: str = "A") -> dns.message.Message:
    return await dns.asyncquery.udp(query(name, kind), LOCALHOST, port=port, timeout=20)


def run(work: Awaitable[None]) -> None:
    async def main() -> None:
        await work

    asyncio.run(main())


def test_a_service_is_answered_by_udp_and_tcp() -> None:
    async def work() -> None:
        async with serving(DnsServer(lambda: SHOP)) as port:
            by_udp = await udp(port, "web.shop.svc.cluster.local")
            by_tcp = await dns.asyncquery.tcp(query("web.shop.svc.cluster.local"), LOCALHOST, port=port, timeout=20)
            assert records(by_udp) == records(by_tcp) == ["A 10.96.1.1"]

    run(work())


def test_a_new_view_is_answered_from_at_once() -> None:
    async def work() -> None:
        views = [view(service("web", "10.96.1.1")), view(service("web", "10.96.1.9"))]
        async with serving(DnsServer(lambda: views[0])) as port:
            assert records(await udp(port, "web.shop.svc.cluster.local")) == ["A 10.96.1.1"]
            del views[0]
            assert records(await udp(port, "web.shop.svc.cluster.local")) == ["A 10.96.1.9"]

    run(work())


def test_before_the_first_view_it_fails_and_does_not_deny() -> None:
    async def work() -> None:
        async with serving(DnsServer(lambda: None)) as port:
            assert (await udp(port, "web.shop.svc.cluster.local")).rcode() == dns.rcode.SERVFAIL

    run(work())


def test_other_names_are_forwarded() -> None:
    async def work() -> None:
        upstream = Upstream()
        async with forwarding(upstream, lambda: SHOP) as port:
            assert records(await udp(port, "example.org")) == ["A 192.0.2.7"]
        assert upstream.asked == ["example.org."]

    run(work())


def test_an_external_name_comes_with_the_addresses_of_its_target() -> None:
    async def work() -> None:
        upstream = Upstream()
        async with forwarding(upstream, lambda: SHOP) as port:
            found = records(await udp(port, "out.shop.svc.cluster.local"))
            assert found == ["CNAME example.org.", "A 192.0.2.7"]

    run(work())


@pytest.mark.parametrize("name", ["example.org", "out.shop.svc.cluster.local"])
def test_without_an_upstream_a_foreign_name_fails(name: str) -> None:
    async def work() -> None:
        async with serving(DnsServer(lambda: SHOP)) as port:
            assert (await udp(port, name)).rcode() == dns.rcode.SERVFAIL

    run(work())


def test_a_silent_upstream_is_given_up_and_own_names_are_not_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.podnet.dnsserver.TRY_SECONDS", 0.1)

    async def work() -> None:
        async with forwarding(Upstream(silent=True), lambda: SHOP) as port, asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(udp(port, "example.org"))
            assert records(await udp(port, "web.shop.svc.cluster.local")) == ["A 10.96.1.1"]
            assert (await waiting).rcode() == dns.rcode.SERVFAIL

    run(work())


def test_too_many_forwarded_queries_fail_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.podnet.dnsserver.FORWARDS", 0)

    async def work() -> None:
        upstream = Upstream()
        async with forwarding(upstream, lambda: SHOP) as port:
            assert (await udp(port, "example.org")).rcode() == dns.rcode.SERVFAIL
        assert upstream.asked == []

    run(work())


def test_garbage_is_refused_or_ignored_and_the_server_lives() -> None:
    server = DnsServer(lambda: SHOP)
    assert server.local(b"junk", udp=True) == b""
    refused = server.local(query("a.b").to_wire()[:14], udp=True)
    assert isinstance(refused, bytes)
    assert dns.message.from_wire(refused).rcode() == dns.rcode.FORMERR


def test_it_waits_for_the_first_view_and_serves_at_the_address_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        views: list[NodeView] = []
        served: list[str] = []
        server = DnsServer(lambda: views[0] if views else None)

        async def serve(address: str) -> None:
            served.append(address)

        monkeypatch.setattr(server, "serve", serve)
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(server.run())
            await asyncio.sleep(0)
            assert served == []
            views.append(SHOP)
        assert served == ["10.96.0.10"]

    run(work())


def test_our_own_address_is_never_an_upstream(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text(
        "# comment\nsearch x\nnameserver 10.96.0.10\nnameserver 192.0.2.53\nnameserver 192.0.2.53\nnameserver\n"
    )
    assert read_upstreams(tmp_path / "resolv.conf", own="10.96.0.10") == ("192.0.2.53",)


def test_a_host_without_name_servers_is_no_error(tmp_path: Path) -> None:
    assert read_upstreams(tmp_path / "none", own="10.96.0.10") == ()
