"""Workers together: they start, serve and ask at once, and end with the block."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.reach.crew import HERE, SOURCE, Answer, Place, Target, crew


def port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def test_two_workers_reach_each_other() -> None:
    first, second = port(), port()

    async def work() -> dict[str, tuple[Answer, ...]]:
        async with crew(Place(name=name, argv=HERE) for name in ("a", "b")) as workers:
            await workers.serve({"a": [("TCP", first)], "b": [("TCP", second)]})
            assert workers.taken == {"a": frozenset(), "b": frozenset()}
            assert not workers.raw
            targets = {"a": [Target(protocol="TCP", address="127.0.0.1", port=second)], "b": []}
            return await workers.ask(targets, seconds=10, width=5)

    assert asyncio.run(work()) == {"a": (Answer(outcome="answered", detail="b"),)}


def test_a_worker_runs_from_its_source_alone() -> None:
    argv = (sys.executable, "-I", "-S", "-c", SOURCE.read_text())

    async def work() -> None:
        async with crew([Place(name="a", argv=argv)]) as workers:
            await workers.serve({"a": []})

    asyncio.run(work())


def test_a_place_that_cannot_be_entered_is_named_with_its_last_words() -> None:
    async def work(*argv: str) -> None:
        async with crew([Place(name="shop/web", argv=argv)]) as workers:
            await workers.serve({"shop/web": []})

    with pytest.raises(DriverError, match=r"shop/web: the probe does not answer: .*no such thing"):
        asyncio.run(work("sh", "-c", "echo no such thing >&2; exit 3"))
    with pytest.raises(DriverError, match=r"shop/web: the probe does not answer: it ended with 3"):
        asyncio.run(work("sh", "-c", "exit 3"))
    with pytest.raises(DriverError, match=r"shop/web: /nowhere: No such file"):
        asyncio.run(work("/nowhere"))


def test_nobody_is_left_when_the_block_ends() -> None:
    async def work() -> list[int]:
        async with crew(Place(name=name, argv=HERE) for name in "abc") as workers:
            await workers.serve({name: [] for name in "abc"})
            return [one.process.pid for one in workers._workers.values()]

    assert not [pid for pid in asyncio.run(work()) if Path(f"/proc/{pid}").exists()]
