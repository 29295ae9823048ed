"""How attachments end: after a failure, after a kill, by GC; what stays, and what a second try does."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.ipam.journal import Phase
from unit.podnet.playground import CONFIG, KEY, NETNS, STEPS, Playground, fail, request, run


@pytest.mark.parametrize("step", STEPS)
def test_a_failure_at_any_step_of_add_leaves_nothing_and_a_retry_succeeds(step: str) -> None:
    async def play(ground: Playground) -> None:
        fail(ground, step)
        assert await ground.code("ADD") == 11
        assert ground.is_clean()
        await ground.check(await ground.add())

    run(play)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("undo", ["detached", "remove", "unpin"])
def test_a_failure_of_the_roll_back_as_well_is_finished_by_del(step: str, undo: str) -> None:
    async def play(ground: Playground) -> None:
        fail(ground, step)
        fail(ground, undo)
        assert await ground.code("ADD") == 11
        await ground.delete()

    assert run(play).is_clean()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("undo", ["detached", "remove", "unpin"])
def test_a_failure_of_the_roll_back_as_well_is_finished_by_the_next_add(step: str, undo: str) -> None:
    async def play(ground: Playground) -> None:
        fail(ground, step)
        fail(ground, undo)
        assert await ground.code("ADD") == 11
        await ground.check(await ground.add())
        await ground.delete()

    assert run(play).is_clean()


def test_recovery_leaves_what_is_ready() -> None:
    async def play(ground: Playground) -> None:
        result = await ground.add()
        ground.restart()
        assert await ground.verbs.recover() == ()
        await ground.check(result)

    run(play)


def test_recovery_removes_what_a_lost_journal_knew() -> None:
    async def play(ground: Playground) -> None:
        ground.links.add_netns("/ns/2")
        await ground.add("c1")
        kept = await ground.add("c2", netns="/ns/2")
        ground.journal.remove(KEY)
        ground.restart()
        assert await ground.verbs.recover() == ()
        assert list(ground.links.pins) == ["c2"]
        await ground.check(kept, "c2", netns="/ns/2")

    run(play)


def test_recovery_takes_away_what_the_kernel_has_no_more() -> None:
    """A reboot: neither link nor pinned namespace of a READY attachment is there."""

    async def play(ground: Playground) -> None:
        ground.links.add_netns("/ns/2")
        await ground.add("c1")
        kept = await ground.add("c2", netns="/ns/2")
        await ground.links.unpin(ContainerId("c1"))
        await ground.links.remove_all(
            tuple(n for n, (link, _) in ground.links.hosts.items() if link.container_id == "c1")
        )
        ground.restart()
        assert await ground.verbs.recover() == ()
        assert [a.container_id for a in ground.journal.all()] == ["c2"]
        await ground.check(kept, "c2", netns="/ns/2")

    run(play)


def test_recovery_that_fails_names_the_pod_and_goes_on() -> None:
    async def play(ground: Playground) -> None:
        ground.links.add_netns("/ns/2")
        for name, netns in (("c1", NETNS), ("c2", "/ns/2")):
            await ground.add(name, netns=netns)
            attachment = ground.journal.get((ContainerId(name), "eth0"))
            assert attachment is not None
            ground.journal.update(msgspec.structs.replace(attachment, phase=Phase.DELETING))
        fail(ground, "remove_all", DriverError("busy"))
        fail(ground, "remove", DriverError("busy"))
        assert await ground.verbs.recover() == ("shop/web (c1): busy",)
        assert [a.container_id for a in ground.journal.all()] == ["c1"]

    run(play)


def test_gc_removes_what_is_not_valid() -> None:
    async def play(ground: Playground) -> None:
        ground.links.add_netns("/ns/2")
        await ground.add("c1")
        await ground.add("c2", netns="/ns/2")
        valid = [{"containerID": "c2", "ifname": "eth0"}]
        await ground.verbs.run(request("GC", config=CONFIG | {"cni.dev/valid-attachments": valid}))
        assert [a.container_id for a in ground.journal.all()] == ["c2"]

    run(play)


def test_gc_with_an_empty_list_removes_all_and_with_none_nothing() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        await ground.verbs.run(request("GC"))
        assert not ground.is_clean()
        await ground.verbs.run(request("GC", config=CONFIG | {"cni.dev/valid-attachments": None}))

    assert run(play).is_clean()


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        ({"cni.dev/attachments": []}, 0),
        ({"cni.dev/attachments": [{"containerID": "c1", "ifname": "eth0"}]}, 1),
        ({"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}], "cni.dev/attachments": []}, 1),
        ({"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "net1"}]}, 0),
    ],
)
def test_gc_reads_the_older_key_where_the_newer_is_missing_and_compares_the_interface(
    keys: dict[str, Any], left: int
) -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        await ground.verbs.run(request("GC", config=CONFIG | keys))
        assert len(ground.journal.all()) == left

    run(play)


@pytest.mark.parametrize("valid", [{"c1": "eth0"}, [{"containerID": "c1"}], ["c1"]])
def test_gc_with_a_list_that_cannot_be_read_removes_nothing(valid: Any) -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        assert await ground.code("GC", config=CONFIG | {"cni.dev/valid-attachments": valid}) == 7
        assert len(ground.journal.all()) == 1

    run(play)


def test_gc_takes_all_away_at_once_but_what_somebody_is_busy_with() -> None:
    async def play(ground: Playground) -> None:
        for n in range(1, 5):
            ground.links.add_netns(f"/ns/{n}")
            await ground.add(f"c{n}", netns=f"/ns/{n}")
        gate, detached = asyncio.Event(), ground.node.detached

        async def slowly(attachment: Any) -> None:
            if attachment.container_id == "c4":
                await gate.wait()
            await detached(attachment)

        ground.node.detached = slowly  # type: ignore[method-assign]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ground.delete("c4", netns="/ns/4"))
            await asyncio.sleep(0)
            tasks.create_task(ground.verbs.run(request("GC", config=CONFIG | {"cni.dev/valid-attachments": []})))
            while len(ground.journal.all()) > 1:  # noqa: ASYNC110 - the journal tells nobody
                await asyncio.sleep(0)
            gate.set()

    ground = run(play)
    assert ground.journal.all() == ()
    assert ground.links.calls.count("remove_all") == 1
    assert ground.links.calls.count("remove") == 1


def test_gc_goes_on_after_a_failure_and_reports_it() -> None:
    async def play(ground: Playground) -> None:
        ground.links.add_netns("/ns/2")
        await ground.add("c1")
        await ground.add("c2", netns="/ns/2")
        fail(ground, "remove_all", DriverError("busy"))
        fail(ground, "remove", DriverError("busy"))
        assert await ground.code("GC", config=CONFIG | {"cni.dev/valid-attachments": []}) == 11
        assert [a.container_id for a in ground.journal.all()] == ["c1"]

    run(play)
