"""The loop over endpoints that are names, with a server of the test's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import msgspec
import pytest

from meshbuild import attached, view
from tandem.base.clock import SystemClock
from tandem.drivers.dns.port import DnsError
from tandem.ir.external import External
from tandem.ir.fabric import AppProtocol, Endpoint, Endpoints, Service, ServicePort
from tandem.ir.node import NodeView
from tandem.runtime.resolved import ResolvedLoop
from tandem.state.dns import INSIDE, NameAnswer

PORT = ServicePort(name="http", port=80, protocol="TCP", app=AppProtocol.HTTP)
POD = attached("a", "10.244.0.2")


def of(*names: str, one: bool = False) -> NodeView:
    external = External(host="api.example.com", one_address=one)
    service = Service(namespace="shop", name="api.example.com", cluster_ips=(), ports=(PORT,), external=external)
    named = tuple(Endpoint(address=name, ports=(("http", 8080),)) for name in names)
    return view(POD, service, Endpoints(namespace="shop", service="api.example.com", endpoints=(), named=named))


class Lab:
    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.zone: dict[str, tuple[str, ...]] = {}
        self.asked: list[tuple[str, str, int]] = []
        self.heard: list[NameAnswer] = []
        self.changes = 0
        self.loop = ResolvedLoop(SystemClock(), self._changed, self.heard.append, self._ask)

    def _changed(self) -> None:
        self.changes += 1

    async def _ask(self, name: str, server: str, version: int) -> NameAnswer:
        self.asked.append((name, server, version))
        if name not in self.zone:
            raise DnsError("SERVFAIL")
        return NameAnswer(name=name, version=version, addresses=self.zone[name], ttl=1)

    def addresses(self, wanted: NodeView) -> list[str]:
        return [e.address for e in self.loop.into(wanted).endpoints["shop/api.example.com"].endpoints]

    def run(self, until: Callable[[], bool]) -> None:
        """Let the loop go on until something holds."""

        async def main() -> None:
            running = asyncio.create_task(self.loop.run())  # noqa: TID251 - ended below
            try:
                async with asyncio.timeout(20):
                    while not until():  # noqa: ASYNC110 - what is waited for is the loop's
                        await asyncio.sleep(0.01)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

        self.runner.run(main())


@pytest.fixture
def lab() -> Iterator[Lab]:
    with asyncio.Runner() as runner:
        yield Lab(runner)


def test_names_become_addresses_of_the_families_of_the_pods(lab: Lab) -> None:
    wanted = of("db.example.com")
    lab.zone["db.example.com"] = ("192.0.2.1", "192.0.2.2")
    assert lab.addresses(wanted) == []
    lab.run(lambda: lab.changes == 1)
    assert lab.addresses(wanted) == ["192.0.2.1", "192.0.2.2"]
    assert lab.asked == [("db.example.com", INSIDE, 4)]
    assert [answer.name for answer in lab.heard] == ["db.example.com"]


def test_round_robin_has_one_address(lab: Lab) -> None:
    wanted = of("db.example.com", one=True)
    lab.zone["db.example.com"] = ("192.0.2.1", "192.0.2.2")
    lab.addresses(wanted)
    lab.run(lambda: lab.changes == 1)
    assert lab.addresses(wanted) == ["192.0.2.1"]


def test_a_server_that_says_nothing_changes_nothing_and_is_asked_again(lab: Lab) -> None:
    wanted = of("db.example.com")
    lab.addresses(wanted)
    lab.run(lambda: len(lab.asked) == 2)
    assert lab.loop.status()["db.example.com"]["failed"] == "SERVFAIL"
    lab.zone["db.example.com"] = ("192.0.2.1",)
    lab.run(lambda: lab.changes == 1)
    del lab.zone["db.example.com"]
    asked = len(lab.asked)
    lab.run(lambda: len(lab.asked) > asked + 1)
    assert lab.addresses(wanted) == ["192.0.2.1"]


def test_a_server_that_says_there_is_none_takes_the_endpoint_away(lab: Lab) -> None:
    wanted = of("db.example.com")
    lab.zone["db.example.com"] = ("192.0.2.1",)
    lab.addresses(wanted)
    lab.run(lambda: lab.changes == 1)
    lab.zone["db.example.com"] = ()
    lab.run(lambda: lab.changes == 2)
    assert lab.addresses(wanted) == []


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "169.254.169.254", "224.0.0.1"])
def test_addresses_that_are_nobodys_are_not_used(lab: Lab, address: str) -> None:
    wanted = of("db.example.com")
    lab.zone["db.example.com"] = (address,)
    lab.addresses(wanted)
    lab.run(lambda: len(lab.heard) == 1)
    assert lab.addresses(wanted) == []


def test_a_view_without_names_stays_the_very_same_and_with_names_its_endpoints_do(lab: Lab) -> None:
    plain = view(POD)
    assert lab.loop.into(plain) is plain
    wanted = of("db.example.com")
    assert lab.loop.into(wanted).endpoints is lab.loop.into(msgspec.structs.replace(wanted)).endpoints


def test_the_first_view_has_the_first_answers(lab: Lab) -> None:
    """An agent that starts again takes no endpoint away from those who have them."""
    wanted = of("db.example.com", "gone.example.com")
    lab.zone["db.example.com"] = ("192.0.2.1",)

    async def main() -> list[str]:
        running = asyncio.create_task(lab.loop.run())  # noqa: TID251 - ended below
        try:
            async with asyncio.timeout(20):
                await lab.loop.first(wanted)
                return lab.addresses(wanted)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    assert lab.runner.run(main()) == ["192.0.2.1"]


def test_a_name_that_is_not_wanted_any_more_is_forgotten(lab: Lab) -> None:
    lab.zone["db.example.com"] = ("192.0.2.1",)
    lab.addresses(of("db.example.com"))
    lab.run(lambda: lab.changes == 1)
    lab.addresses(of("new.example.com"))
    assert list(lab.loop.status()) == ["new.example.com"]
