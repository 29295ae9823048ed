"""A node's side of the sharing of addresses."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from addressing import Agent
from tandem.base.clock import FixedClock
from tandem.base.ids import NodeName
from tandem.ipam.pool import PoolFullError
from tandem.ir.fabric import Mark, Node
from tandem.podnet.addresses import COOL_DOWN
from tandem.runtime.reports import Reports

ONE = Node(name=NodeName("n"), addresses=(), pod_cidrs=("10.0.0.0/29",))


def agent(node: Node = ONE, *reserved: str) -> Agent:
    made = Agent("n", FixedClock(1000.0))
    made.told({"n": node}, reserved)
    return made


def test_before_control_has_spoken_there_is_nothing_to_give() -> None:
    silent = Agent("n", FixedClock())
    with pytest.raises(PoolFullError):
        silent.add("p")
    assert silent.holder.holdings().blocks == ()


def test_what_is_given_follows_what_control_says() -> None:
    node = agent(
        msgspec.structs.replace(ONE, borrowed=("10.0.9.9",), lent=(Mark(prefix="10.0.0.2", id="x"),)), "10.0.0.3/32"
    )
    assert [node.add(f"p{n}")[0] for n in range(4)] == ["10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.9.9"]


def test_a_pool_is_made_again_only_after_news() -> None:
    node = agent()
    assert node.holder.pool() is node.holder.pool()
    node.told({"n": ONE})
    assert node.holder.pool().blocks[0].prefix == "10.0.0.0/29"


def test_lent_addresses_are_agreed_to_unless_they_are_in_use_or_cool_down() -> None:
    node = agent()
    for name in ("p2", "p3"):
        node.add(name)
    node.remove("p3")
    marks = tuple(Mark(prefix=f"10.0.0.{n}", id=f"id{n}") for n in (2, 3, 4))
    node.told({"n": msgspec.structs.replace(ONE, lent=marks)})
    held = node.holder.holdings()
    assert (held.agreed, held.declined) == (("id4",), ("id2", "id3"))


def test_while_nobody_knows_what_was_in_use_nothing_is_agreed_to_returned_or_offered() -> None:
    clock = FixedClock(1000.0)
    node = Agent("n", clock)
    node.journal.rest()
    lent, closed = Mark(prefix="10.0.0.2", id="lent"), Mark(prefix="10.0.9.9/32", id="closed")
    node.told({"n": msgspec.structs.replace(ONE, lent=(lent,), borrowed=("10.0.9.9",), closed=(closed,))})
    held = node.holder.holdings()
    assert (held.agreed, held.declined, held.returned, held.spare) == ((), (), (), ())
    clock.advance(COOL_DOWN)
    held = node.holder.holdings()
    assert (held.agreed, held.returned, bool(held.spare)) == (("lent",), ("closed",), True)


def test_closed_parts_are_returned_once_nothing_of_them_is_in_use_or_cools_down() -> None:
    node = agent()
    node.add("p")
    node.told({"n": msgspec.structs.replace(ONE, closed=(Mark(prefix="10.0.0.0/29", id="x"),))})
    assert node.holder.holdings().returned == ()
    node.remove("p")
    assert node.holder.holdings().returned == ()
    node.clock.advance(10.0)
    held = node.holder.holdings()
    assert held.returned == ("x",)
    assert [(b.free, b.closed) for b in held.blocks] == [(0, True)]


def test_a_block_is_idle_after_twice_the_cool_down_without_use() -> None:
    node = agent()
    assert node.holder.holdings().idle == ()
    node.clock.advance(19.0)
    assert node.holder.holdings().idle == ()
    node.clock.advance(1.0)
    assert node.holder.holdings().idle == ("10.0.0.0/29",)
    node.add("p")
    assert node.holder.holdings().idle == ()


def test_a_family_of_which_the_node_has_nothing_is_wanted() -> None:
    node = agent(msgspec.structs.replace(ONE, families=(4, 6)))
    assert node.holder.holdings().wants == (6,)


def test_an_add_that_finds_nothing_makes_the_node_tell_at_once_and_waits_for_news() -> None:
    node = agent()
    sent = Reports()
    node.holder._report = lambda data: sent.add("n", data)

    async def play() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(node.holder.run())
            await asyncio.sleep(0)
            first = sent.holdings.version
            node.add("p")
            waiting = tasks.create_task(node.holder.more(30))
            await sent.holdings.after(first)
            node.holder.news()
            assert await waiting
            running.cancel()

    asyncio.run(asyncio.wait_for(play(), 5))
    assert sent.holdings.value["n"].blocks[0].used == 1


def test_without_control_there_is_nothing_to_wait_for() -> None:
    node = agent()
    node.holder._connected = lambda: False
    assert not asyncio.run(node.holder.more(30))
