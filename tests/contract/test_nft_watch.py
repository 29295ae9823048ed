"""Who changes our tables, told by the fake and by the kernel alike; and what only a kernel can do."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Iterator

import pytest

from netns.podlab import space
from tandem.base.netns import in_netns
from tandem.base.problems import DriverError
from tandem.drivers.nft import watch
from tandem.drivers.nft.watch import UNKNOWN, Change, FakeWatch, KernelWatch, NftWatch

pytestmark = pytest.mark.root

OURS = (("inet", "tandem"), ("bridge", "tandem"))


@pytest.fixture
def netns() -> Iterator[str]:
    with space() as name:
        yield name


def nft(netns: str, text: str) -> None:
    subprocess.run(["ip", "netns", "exec", netns, "nft", "-f", "-"], input=text, text=True, check=True)


def play(netns: str, scene: Callable[[KernelWatch], Awaitable[None]]) -> None:
    """The scene in a loop of its own, all of it in the namespace: threads of the loop inherit it."""

    def work() -> None:
        async def main() -> None:
            async with asyncio.timeout(20):
                made = KernelWatch(OURS)
                made.open()
                try:
                    await scene(made)
                finally:
                    made.close()

        asyncio.run(main())

    in_netns(f"/run/netns/{netns}", work)


@pytest.mark.parametrize("kind", ["fake", "kernel"])
def test_a_change_by_others_is_told_and_one_of_ours_is_not(netns: str, kind: str) -> None:
    begin = "table inet tandem { set s { type ipv4_addr; elements = { 192.0.2.1 }; }; chain c { ip saddr @s drop; }; }"

    async def scene(made: KernelWatch) -> None:
        seen: NftWatch = made
        if kind == "fake":
            fake = seen = FakeWatch()
            fake.happen(Change(things=("element of set s added",), process="nft", pid=1))
        done: list[int] = []
        await seen.own(lambda: done.append(1))
        await seen.own(lambda: nft(netns, begin))
        nft(netns, "table inet other { chain c { drop; }; }")
        nft(netns, "add element inet tandem s { 192.0.2.2 }")
        change = await seen.foreign()
        assert done == [1]
        assert (change.things, change.process) == (("element of set s added",), "nft")
        assert change.pid > 0
        if kind == "fake":
            fake.happen(DriverError("deaf"))
            with pytest.raises(DriverError, match="deaf"):
                await fake.foreign()
            fake.close()

    play(netns, scene)


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("flush ruleset", ("rule of chain c removed", "set s removed", "chain c removed", "table inet tandem removed")),
        ("flush chain inet tandem c", ("rule of chain c removed",)),
        ("add rule inet tandem c accept", ("rule of chain c added",)),
        ("delete element inet tandem s { 192.0.2.1 }", ("element of set s removed",)),
        ("flush set inet tandem s", ("element of set s removed",)),
        ("add chain inet tandem mine; add table bridge tandem", ("chain mine added", "table bridge tandem added")),
    ],
)
def test_what_was_changed_is_named(netns: str, text: str, things: tuple[str, ...]) -> None:
    async def scene(made: KernelWatch) -> None:
        begin = "table inet tandem { set s { type ipv4_addr; elements = { 192.0.2.1 }; }; chain c { counter; }; }"
        await made.own(lambda: nft(netns, begin))
        nft(netns, text)
        assert set((await made.foreign()).things) == set(things)

    play(netns, scene)


def test_what_fails_is_no_transaction(netns: str) -> None:
    async def scene(made: KernelWatch) -> None:
        def refuse() -> None:
            raise DriverError("no")

        with pytest.raises(DriverError, match="no"):
            await made.own(refuse)
        nft(netns, "add table inet tandem")
        assert (await made.foreign()).things == ("table inet tandem added",)

    play(netns, scene)


def test_somebody_in_the_middle_of_a_transaction_of_ours_is_noticed_by_what_is_changed(netns: str) -> None:
    async def scene(made: KernelWatch) -> None:
        def both(other: str) -> None:
            nft(netns, other)
            nft(netns, "add table inet tandem; add chain inet tandem mine")

        await made.own(lambda: both("add table inet docker"))
        await made.own(lambda: both("add table inet tandem; add chain inet tandem theirs"))
        change = await made.foreign()  # one of the two that changed our table: which one, nobody can tell
        assert change.things in {("chain mine added",), ("chain theirs added",), ("table inet tandem added",)}

    play(netns, scene)


def test_more_than_can_be_read_is_nothing_if_it_was_ours_and_told_if_it_was_not(
    netns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_BUFFER", 1)
    many = ", ".join(f"10.{n >> 8}.{n & 255}.1" for n in range(20_000))
    begin = f"table inet tandem {{ set s {{ type ipv4_addr; elements = {{ {many} }}; }}; }}"

    async def scene(made: KernelWatch) -> None:
        await made.own(lambda: nft(netns, begin))
        nft(netns, "add table inet tandem")
        nft(netns, "flush set inet tandem s")
        told = [await made.foreign()]
        while UNKNOWN not in told[-1].things:
            told.append(await made.foreign())
        assert len(told) <= 2

    play(netns, scene)


def test_silence_is_not_believed_for_ever(netns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.05)

    async def scene(made: KernelWatch) -> None:
        assert made._events is not None
        made._known -= 1  # as if a word had been lost
        assert (await made.foreign()).things == (UNKNOWN,)

    play(netns, scene)
