"""Who changes our tables inside pods, told by the fake and by the kernel alike; and what only a kernel can do."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from netns.podlab import space
from tandem.base.problems import DriverError
from tandem.drivers.nft import pods_watch
from tandem.drivers.nft.pods_watch import FakePodsWatch, KernelPodsWatch, PodChange, PodsWatch
from tandem.drivers.nft.watch import UNKNOWN, Change

pytestmark = pytest.mark.root

TABLES = ("tandem", "tandem-policy")
BEGIN = "table inet tandem { set s { type ipv4_addr; }; chain c { ip saddr @s drop; }; }"
ADDED = ("element of set s added",)


@pytest.fixture
def pods() -> Iterator[list[str]]:
    with ExitStack() as spaces:
        yield [f"/run/netns/{spaces.enter_context(space())}" for _ in range(3)]


def nft(netns: str, text: str) -> None:
    subprocess.run(["ip", "netns", "exec", Path(netns).name, "nft", "-f", "-"], input=text, text=True, check=True)


def play(scene: Callable[[KernelPodsWatch], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            made = KernelPodsWatch(TABLES)
            try:
                await scene(made)
            finally:
                made.close()

    asyncio.run(main())


def descriptors() -> int:
    return len(tuple(Path("/proc/self/fd").iterdir()))


async def told(seen: PodsWatch, number: int = 1) -> list[tuple[str, str, tuple[str, ...], str]]:
    found: list[PodChange] = []
    while len(found) < number:
        found += await seen.foreign()
    return [(one.netns, one.table, one.change.things, one.change.process) for one in found]


@pytest.mark.parametrize("kind", ["fake", "kernel"])
def test_a_change_by_others_is_told_with_its_pod_and_one_of_ours_is_not(pods: list[str], kind: str) -> None:
    first, second, stranger = pods

    async def scene(made: KernelPodsWatch) -> None:
        seen: PodsWatch = made
        if kind == "fake":
            fake = seen = FakePodsWatch()
            change = Change(things=ADDED, process="nft", pid=1)
            fake.happen(PodChange(netns=second, table="tandem", change=change))
        nft(stranger, BEGIN)  # nothing of ours was ever applied there
        for netns in (first, second):
            seen.own(netns, "tandem", lambda netns=netns: nft(netns, BEGIN))  # type: ignore[misc]
        seen.own(first, "tandem", lambda: nft(first, "add element inet tandem s { 192.0.2.1 }"))
        nft(second, "table inet other { chain c { drop; }; }")
        nft(stranger, "add element inet tandem s { 192.0.2.9 }")
        nft(second, "add element inet tandem s { 192.0.2.2 }")
        assert await told(seen) == [(second, "tandem", ADDED, "nft")]
        if kind == "fake":
            fake.happen(DriverError("deaf"))
            with pytest.raises(DriverError, match="deaf"):
                await fake.foreign()
            fake.leave(second)
            assert fake.followed == {first: {"tandem"}}
            fake.close()

    play(scene)


def test_a_flush_is_a_change_of_each_table_that_is_ours(pods: list[str]) -> None:
    async def scene(seen: KernelPodsWatch) -> None:
        for table in TABLES:
            seen.own(pods[0], table, lambda table=table: nft(pods[0], BEGIN.replace("tandem", table)))  # type: ignore[misc]
        nft(pods[0], "flush ruleset")
        found = await told(seen, 2)
        assert [(netns, table, things[-1]) for netns, table, things, _ in found] == [
            (pods[0], table, f"table inet {table} removed") for table in TABLES
        ]

    play(scene)


def test_a_transaction_that_the_kernel_refuses_is_not_waited_for(pods: list[str]) -> None:
    async def scene(seen: KernelPodsWatch) -> None:
        seen.own(pods[0], "tandem", lambda: nft(pods[0], BEGIN))
        with pytest.raises(subprocess.CalledProcessError):
            seen.own(pods[0], "tandem", lambda: nft(pods[0], "add element inet tandem none { 192.0.2.1 }"))
        nft(pods[0], "add element inet tandem s { 192.0.2.2 }")
        assert await told(seen) == [(pods[0], "tandem", ADDED, "nft")]

    play(scene)


def test_a_pod_that_was_left_is_not_heard_and_its_namespace_is_free(pods: list[str]) -> None:
    async def scene(seen: KernelPodsWatch) -> None:
        before = descriptors()
        for netns in pods[:2]:
            seen.own(netns, "tandem", lambda netns=netns: nft(netns, BEGIN))  # type: ignore[misc]
        # The two sockets, and nothing for a pod, or it would be held back from its end.
        assert descriptors() == before + 2
        seen.leave(pods[0])
        for netns in pods[:2]:
            nft(netns, "add element inet tandem s { 192.0.2.2 }")
        assert await told(seen) == [(pods[1], "tandem", ADDED, "nft")]

    play(scene)


def test_after_more_than_could_be_read_any_table_may_have_been_changed(
    pods: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods_watch, "_BUFFER", 1 << 12)
    many = ", ".join(f"10.{n >> 8}.{n & 255}.1" for n in range(20_000))

    async def scene(seen: KernelPodsWatch) -> None:
        for netns in pods[:2]:
            seen.own(netns, "tandem", lambda netns=netns: nft(netns, BEGIN))  # type: ignore[misc]
        nft(pods[0], f"add element inet tandem s {{ {many} }}")
        found = await told(seen, 2)
        assert {(pods[0], "tandem", (UNKNOWN,), ""), (pods[1], "tandem", (UNKNOWN,), "")} <= set(found)

    play(scene)


def test_what_cannot_be_followed_is_applied_all_the_same(pods: list[str]) -> None:
    done: list[int] = []

    async def scene(seen: KernelPodsWatch) -> None:
        seen.own(f"{pods[0]}-gone", "tandem", lambda: done.append(1))

    play(scene)
    assert done == [1]
