"""DELs that wait for the agent: read in order, done once, never confused with what came later."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tandem.base.problems import DriverError
from tandem.ipam.journal import Attachment
from tandem.podnet.spool import Spool
from tandem.podnet.verbs import Aside, Verbs
from unit.podnet.playground import CONFIG, NETNS, SETTINGS, Killed, Playground, fail, kill_at, revive, run


def put(folder: Path, container: str = "c1", verb: str = "DEL", **env: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"eth0@{container}"
    known = {"CNI_CONTAINERID": container, "CNI_IFNAME": "eth0", "CNI_NETNS": NETNS} | env
    path.write_text(json.dumps({"verb": verb, "env": known, "config": CONFIG}))
    return path


def back(ground: Playground, folder: Path) -> None:
    """A new agent that looks into the folder."""
    ground.restart()
    spool = Aside(spool=Spool(folder))
    ground.verbs = Verbs(ground.journal, ground.links, ground.foreign, node=ground.node, settings=SETTINGS, aside=spool)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert Spool(tmp_path / "dels").waiting() == ()


def test_drafts_are_not_read_and_what_is_no_del_is_removed(tmp_path: Path) -> None:
    put(tmp_path)
    put(tmp_path, "c2", "ADD")
    (tmp_path / "eth0@c3").write_text("{")
    (tmp_path / ".123").write_text("{")
    assert [q.request.container_id for q in Spool(tmp_path).waiting()] == ["c1"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [".123", "eth0@c1"]


def test_a_del_that_its_courier_takes_back_meanwhile_is_none(tmp_path: Path) -> None:
    put(tmp_path)
    (tmp_path / "eth0@c2").symlink_to("gone")
    assert [q.request.container_id for q in Spool(tmp_path).waiting()] == ["c1"]


def test_what_an_add_made_after_it_did_a_queued_del_is_not_undone_by_the_replay(tmp_path: Path) -> None:
    """The replay has read the queue, and is busy with another container."""

    async def play(ground: Playground) -> None:
        ground.links.add_netns("/ns/2")
        await ground.add("c0", netns="/ns/2")
        put(tmp_path, "c0", CNI_NETNS="/ns/2")
        put(tmp_path, "c1")
        back(ground, tmp_path)
        busy, free, detached = asyncio.Event(), asyncio.Event(), ground.node.detached

        async def slowly(attachment: Attachment) -> None:
            busy.set()
            await free.wait()
            await detached(attachment)

        ground.node.detached = slowly  # type: ignore[method-assign]
        async with asyncio.TaskGroup() as tasks:
            replay = tasks.create_task(ground.verbs.replay())
            await busy.wait()
            await ground.add("c1")
            free.set()
        assert replay.result() == ()
        assert [a.container_id for a in ground.journal.all()] == ["c1"]

    run(play)


def test_a_queued_del_is_done_when_the_agent_is_back(tmp_path: Path) -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        path = put(tmp_path, CNI_NETNS="")
        back(ground, tmp_path)
        assert await ground.verbs.recover() == ()
        assert not path.exists()

    assert not run(play).journal.all()


def test_a_later_add_of_the_same_container_is_not_undone_by_it(tmp_path: Path) -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        back(ground, tmp_path)
        put(tmp_path)
        result = await ground.add()
        assert await ground.verbs.replay() == ()
        await ground.check(result)

    run(play)


def test_a_del_that_still_fails_stays_queued_and_is_told(tmp_path: Path) -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        path = put(tmp_path)
        back(ground, tmp_path)
        ground.links.fail_next(DriverError("busy"), "remove")
        (told,) = await ground.verbs.replay()
        assert "queued DEL of container c1" in told
        assert path.exists()
        assert await ground.verbs.replay() == ()
        assert not path.exists()

    assert run(play).is_clean()


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("step", ["detached", "remove", "unpin"])
def test_an_agent_killed_in_the_middle_of_it_does_it_again(tmp_path: Path, step: str, *, before: bool) -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        put(tmp_path)
        back(ground, tmp_path)
        kill_at(ground, step, before=before)
        with pytest.raises(Killed):
            await ground.verbs.replay()
        revive(ground, step)
        back(ground, tmp_path)
        assert await ground.verbs.recover() == ()

    assert run(play).is_clean()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["pin", "create", "attached", "open"])
def test_an_add_that_fails_after_it_leaves_nothing(tmp_path: Path, step: str) -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        put(tmp_path)
        back(ground, tmp_path)
        fail(ground, step)
        assert await ground.code("ADD") == 11

    assert run(play).is_clean()


def test_what_a_file_says_is_what_the_courier_would_have_sent(tmp_path: Path) -> None:
    put(tmp_path)
    (queued,) = Spool(tmp_path).waiting()
    found: Any = queued.request
    assert (found.verb, found.netns, found.config["name"]) == ("DEL", NETNS, "tandem")
