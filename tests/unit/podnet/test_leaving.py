"""DEL that answers before the kernel is done: what is gone at once, what goes later, and who waits for that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tandem.base.problems import DriverError
from tandem.ipam.journal import Phase
from tandem.podnet.leaving import Leaving
from unit.podnet.playground import NETNS, Playground, request


def play(book: Callable[[Playground, Leaving], Awaitable[None]], *, gather_seconds: float = 0.0) -> None:
    async def main() -> None:
        ground = Playground()
        leaving = Leaving(ground.journal, ground.links, ground.node, gather_seconds=gather_seconds)
        ground.verbs.undoing.leaving = leaving
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(leaving.run())
            await book(ground, leaving)
            task.cancel()

    asyncio.run(main())


async def empty(ground: Playground) -> None:
    """Returns once nothing is left."""
    while ground.journal.all():  # noqa: ASYNC110 - the journal tells nobody
        await asyncio.sleep(0.001)


def test_del_answers_with_the_pod_cut_off_and_its_address_kept() -> None:
    async def book(ground: Playground, _: Leaving) -> None:
        await ground.verbs.run(request("ADD"))
        assert await ground.verbs.run(request("DEL")) is None
        (left,) = ground.journal.all()
        assert left.phase is Phase.DELETING
        assert ground.journal.taken() == {*left.addresses}
        assert "eth0" not in ground.links.namespaces[NETNS].ends
        assert not any(end.up for _, end in ground.links.hosts.values())

    play(book, gather_seconds=60)


def test_everything_goes_in_the_background() -> None:
    async def book(ground: Playground, _: Leaving) -> None:
        await ground.verbs.run(request("ADD"))
        await ground.verbs.run(request("DEL"))
        await empty(ground)
        assert not ground.links.hosts
        assert not ground.links.pins
        assert not ground.node.in_force
        assert not ground.links.namespaces[NETNS].ends

    play(book)


def test_policy_and_proxy_go_before_the_links() -> None:
    async def book(ground: Playground, _: Leaving) -> None:
        await ground.verbs.run(request("ADD"))
        ground.links.calls.clear()
        await ground.verbs.run(request("DEL"))
        await empty(ground)
        assert ground.links.calls == ["cut", "detached", "remove_all", "unpin"]

    play(book)


def test_an_address_that_a_del_has_given_up_is_free_for_the_next_pod_of_a_full_pool() -> None:
    async def book(ground: Playground, _: Leaving) -> None:
        names = [f"c{i}" for i in range(5)]  # a /29 has room for five
        for name in names:
            ground.links.add_netns(f"/run/netns/{name}")
            await ground.add(name, netns=f"/run/netns/{name}")
        given_up = ground.journal.all()[0]
        await ground.delete(given_up.container_id, netns=given_up.netns)
        ground.links.add_netns("/run/netns/next")
        await ground.add("next", netns="/run/netns/next")
        assert {a.addresses for a in ground.journal.all() if a.container_id == "next"} == {given_up.addresses}

    play(book, gather_seconds=60)


def test_the_same_container_can_be_added_again_at_once() -> None:
    async def book(ground: Playground, _: Leaving) -> None:
        await ground.verbs.run(request("ADD"))
        await ground.verbs.run(request("DEL"))
        await ground.verbs.run(request("ADD"))
        assert [a.phase for a in ground.journal.all()] == [Phase.READY]
        assert len(ground.links.hosts) == 1

    play(book, gather_seconds=60)


def test_a_second_del_returns_when_nothing_is_left() -> None:
    async def book(ground: Playground, _: Leaving) -> None:
        await ground.verbs.run(request("ADD"))
        await ground.verbs.run(request("DEL"))
        await ground.verbs.run(request("DEL"))
        assert not ground.journal.all()
        assert not ground.links.hosts

    play(book, gather_seconds=60)


def test_a_second_del_waits_for_what_is_under_way() -> None:
    async def book(ground: Playground, _: Leaving) -> None:
        gate = asyncio.Event()
        remove_all = ground.links.remove_all

        async def slow(host_ifnames: tuple[str, ...]) -> None:
            await gate.wait()
            await remove_all(host_ifnames)

        ground.links.remove_all = slow  # type: ignore[method-assign]
        await ground.verbs.run(request("ADD"))
        await ground.verbs.run(request("DEL"))
        await asyncio.sleep(0.01)
        async with asyncio.TaskGroup() as tasks:
            second = tasks.create_task(ground.verbs.run(request("DEL")))
            await asyncio.sleep(0.01)
            assert not second.done()
            gate.set()
        assert not ground.journal.all()
        assert ground.links.calls.count("remove_all") == 1

    play(book)


def test_what_fails_is_tried_again_by_the_next_del() -> None:
    async def book(ground: Playground, _: Leaving) -> None:
        await ground.verbs.run(request("ADD"))
        ground.node.failures["detached"] = DriverError("not now")
        await ground.verbs.run(request("DEL"))
        await asyncio.sleep(0.01)
        assert [a.phase for a in ground.journal.all()] == [Phase.DELETING]
        await ground.verbs.run(request("DEL"))
        assert not ground.journal.all()

    play(book)


def test_what_fails_is_tried_again_by_itself() -> None:
    async def book(ground: Playground, _: Leaving) -> None:
        await ground.verbs.run(request("ADD"))
        ground.node.failures["detached"] = DriverError("not now")
        await ground.verbs.run(request("DEL"))
        await empty(ground)
        assert not ground.links.hosts

    play(book)


def test_a_kill_after_the_answer_is_finished_by_recovery() -> None:
    async def book(ground: Playground, _: Leaving) -> None:
        await ground.verbs.run(request("ADD"))
        await ground.verbs.run(request("DEL"))
        ground.restart()
        assert await ground.verbs.recover() == ()
        assert not ground.journal.all()
        assert not ground.links.hosts
        assert not ground.links.pins

    play(book, gather_seconds=60)
