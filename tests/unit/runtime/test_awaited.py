"""An ADD waits for the nodes that have a rule about its pod, and for no others."""

from __future__ import annotations

import asyncio

from tandem.base.table import Table
from tandem.runtime.awaited import Awaited
from tandem.runtime.ledger import Ledger, Sent

KEYS = (("groups", "g"),)


def told(ledger: Ledger, *nodes: str, version: str = "1") -> None:
    for node in nodes:
        ledger.sent(node, {"groups": Table({"g": Sent("g", version, b"")})})
        ledger.connection(node, up=True)


def scene(*steps: tuple[str, str]) -> list[bool]:
    """Whether the wait for both nodes is over after each step: ("accept", node) or ("lose", node)."""

    async def run() -> list[bool]:
        ledger = Ledger()
        told(ledger, "a", "b")
        awaited = Awaited(ledger)
        found = []
        async with asyncio.TaskGroup() as tasks:
            wait = tasks.create_task(awaited.everywhere(KEYS))
            await asyncio.sleep(0)
            for verb, node in steps:
                if verb == "accept":
                    ledger.accept(node, "groups", {"g": "1"})
                else:
                    ledger.connection(node, up=False)
                awaited.heard(node)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                found.append(wait.done())
            wait.cancel()
        assert not awaited._waits
        return found

    return asyncio.run(run())


def test_the_last_node_ends_the_wait() -> None:
    assert scene(("accept", "b"), ("accept", "a")) == [False, True]


def test_a_node_that_speaks_twice_counts_once() -> None:
    assert scene(("accept", "b"), ("accept", "b"), ("accept", "a")) == [False, False, True]


def test_a_node_that_is_lost_is_not_waited_for() -> None:
    assert scene(("accept", "b"), ("lose", "a")) == [False, True]


def test_an_older_version_is_not_enough() -> None:
    async def run() -> None:
        ledger = Ledger()
        told(ledger, "a")
        awaited = Awaited(ledger)
        async with asyncio.TaskGroup() as tasks:
            wait = tasks.create_task(awaited.everywhere(KEYS))
            await asyncio.sleep(0)
            told(ledger, "a", version="2")
            for version, over in (("1", False), ("2", True)):
                ledger.accept("a", "groups", {"g": version})
                awaited.heard("a")
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                assert wait.done() is over

    asyncio.run(run())


def test_nothing_to_wait_for_is_no_wait() -> None:
    async def run() -> None:
        ledger = Ledger()
        told(ledger, "a")
        await asyncio.wait_for(Awaited(ledger).everywhere(()), 5)
        ledger.accept("a", "groups", {"g": "1"})
        await asyncio.wait_for(Awaited(ledger).everywhere(KEYS), 5)

    asyncio.run(run())
