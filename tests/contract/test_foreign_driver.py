"""What every ForeignDriver does: the fake, and the real one in namespaces of its own."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from netns.podlab import ip, lab
from tandem.base.netns import in_netns
from tandem.compile.foreign import compile_redirection
from tandem.drivers.foreign.fake import FakeForeign, Space
from tandem.drivers.foreign.port import ForeignDriver
from tandem.drivers.foreign.real import KernelForeign
from tandem.drivers.link.port import NetnsError
from tandem.state.foreign import UNTOUCHED
from tandem.state.ownership import LOCAL_MARKS

WANTED = compile_redirection("eth0", ("10.88.0.2", "fd00::2"))


@dataclass(frozen=True, slots=True)
class Case:
    """A driver over a node at 10.88.0.1 and a pod whose eth0 has 10.88.0.2; `node` is empty for the fake."""

    driver: ForeignDriver
    pod: str
    node: str

    def play(self, book: Callable[[ForeignDriver], Coroutine[Any, Any, None]]) -> None:
        asyncio.run(book(self.driver))


@pytest.fixture(params=["fake", pytest.param("kernel", marks=pytest.mark.root)])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param == "fake":
        fake = FakeForeign(frozenset({"10.88.0.1"}))
        fake.spaces["/ns"] = Space({"eth0": frozenset({"10.88.0.2"})})
        yield Case(fake, "/ns", "")
        return
    with lab() as spaces:
        node, pod = spaces.add("node"), spaces.add("pod")
        ip(node, *f"link add veth0 type veth peer name eth0 netns {pod.rpartition('/')[2]}".split())
        ip(node, "address", "add", "10.88.0.1/24", "dev", "veth0")
        ip(pod, "address", "add", "10.88.0.2/24", "dev", "eth0")
        for space, link in ((node, "veth0"), (pod, "eth0")):
            ip(space, "link", "set", link, "up")
        yield Case(KernelForeign(node), pod, node)


def test_an_interface_is_seen_with_its_addresses(case: Case) -> None:
    async def book(driver: ForeignDriver) -> None:
        seen = await driver.look(case.pod, "eth0")
        assert seen is not None
        assert (set(seen.addresses), seen.up) == ({"10.88.0.2"}, True)
        assert await driver.look(case.pod, "eth1") is None

    case.play(book)


def test_the_nodes_own_addresses_are_known(case: Case) -> None:
    async def book(driver: ForeignDriver) -> None:
        found = await driver.node_addresses()
        assert "10.88.0.1" in found
        assert "10.88.0.2" not in found

    case.play(book)


def test_what_is_prepared_is_whole_and_preparing_twice_is_fine(case: Case) -> None:
    async def book(driver: ForeignDriver) -> None:
        assert len(await driver.check(case.pod, WANTED)) >= len(LOCAL_MARKS)
        for _ in range(2):
            await driver.prepare(case.pod, WANTED)
            assert await driver.check(case.pod, WANTED) == ()

    case.play(book)


def test_restoring_is_fine_twice_without_anything_and_without_a_namespace(case: Case) -> None:
    async def book(driver: ForeignDriver) -> None:
        await driver.restore(case.pod, UNTOUCHED)
        await driver.prepare(case.pod, WANTED)
        for _ in range(2):
            await driver.restore(case.pod, UNTOUCHED)
        assert len(await driver.check(case.pod, WANTED)) >= len(LOCAL_MARKS)
        await driver.restore("/nowhere", UNTOUCHED)

    case.play(book)


def test_a_path_that_is_no_namespace_is_refused(case: Case) -> None:
    async def book(driver: ForeignDriver) -> None:
        for call in (driver.look("/nowhere", "eth0"), driver.prepare("/nowhere", WANTED)):
            with pytest.raises(NetnsError):
                await call

    case.play(book)


def picture(netns: str) -> list[str]:
    """Links, addresses, rules, routes, settings and tables of a namespace."""
    commands = ("-br link", "-o address", "rule", "route show table all")
    settings = "sysctl -a 2>/dev/null | grep rp_filter; nft list ruleset"
    tables = subprocess.run(
        ["nsenter", f"--net={netns}", "sh", "-c", settings], capture_output=True, text=True, check=True
    )
    return [*(ip(netns, *command.split()) for command in commands), tables.stdout]


@pytest.mark.root
@pytest.mark.parametrize("filtering", ["0", "1"])
def test_a_namespace_is_afterwards_as_it_was(filtering: str) -> None:
    with lab() as spaces:
        node, pod = spaces.add("node"), spaces.add("pod")
        ip(node, *f"link add veth0 type veth peer name eth0 netns {pod.rpartition('/')[2]}".split())
        subprocess.run(
            ["nsenter", f"--net={pod}", "sysctl", "-qw", f"net.ipv4.conf.all.rp_filter={filtering}"], check=True
        )
        before, driver = picture(pod), KernelForeign(node)

        async def book() -> None:
            seen = await driver.look(pod, "eth0")
            assert seen is not None
            await driver.prepare(pod, WANTED)
            assert picture(pod) != before
            in_netns(
                pod, lambda: subprocess.run(["nft", "add table inet tandem; add table inet tandem-policy"], check=True)
            )
            await driver.restore(pod, seen.before)

        asyncio.run(book())
        assert picture(pod) == before
