"""The counter of the CNI plugin: the real courier at the real socket, over fakes of the kernel."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tandem_cni.build import build

from tandem.base.clock import FixedClock
from tandem.base.ids import ContainerId
from tandem.base.paths import NodeDir
from tandem.ipam.journal import MemoryJournal
from tandem.ipam.shared import SharedJournal
from tandem.podnet.mending import Mending
from tandem.podnet.verbs import Verbs
from tandem.runtime import cni
from tandem.runtime.cni import CniService
from unit.podnet.playground import ARGS, CONFIG, NETNS, SETTINGS, Playground
from unit.tandem_cni.courier import ENV, Done, run

TRIES = 2000


class Scene:
    """A node whose agent answers the plugin."""

    def __init__(self, root: Path) -> None:
        self.dir, clock = NodeDir(root), FixedClock()
        journal = SharedJournal(MemoryJournal())
        self.ground = Playground(journal)
        drivers = self.ground.links, self.ground.foreign
        self.service = CniService(self.dir, journal, drivers, clock, grace=60.0)
        self.kept: list[Mending] = []

    async def keep(self, mending: Mending) -> None:
        self.kept.append(mending)

    async def ask(self, verb: str) -> Done:
        binary = self.dir.root / "tandem-cni"
        build(binary, sys.executable)
        env = ENV | {"CNI_COMMAND": verb, "CNI_NETNS": NETNS, "CNI_ARGS": ARGS}
        return await asyncio.to_thread(run, binary, env, CONFIG | {"socket": str(self.dir.cni_socket)})

    def queue_del(self) -> Path:
        """What the courier leaves where nobody answers."""
        self.dir.cni_spool.mkdir(exist_ok=True)
        path = self.dir.cni_spool / "eth0@c1"
        env = {"CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0", "CNI_NETNS": NETNS}
        path.write_text(json.dumps({"verb": "DEL", "env": env, "config": CONFIG}))
        return path


async def becomes(holds: Callable[[], bool]) -> None:
    for _ in range(TRIES):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("waited in vain")


def play(scene: Scene, book: Callable[[Scene], Awaitable[None]]) -> None:
    """`book` while the service runs."""

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = scene.service.run(scene.ground.node, SETTINGS, lambda _: True, scene.keep)
            serving = tasks.create_task(running)
            await becomes(scene.dir.cni_socket.exists)
            await book(scene)
            serving.cancel()

    asyncio.run(main())


def test_a_pod_comes_and_goes_and_the_socket_goes_with_the_service(tmp_path: Path) -> None:
    async def book(scene: Scene) -> None:
        added = await scene.ask("ADD")
        assert added.status == 0, added.out
        assert [a.container_id for a in scene.ground.journal.all()] == ["c1"]
        assert [await mending.look(ContainerId("c1")) for mending in scene.kept] == [()]
        assert (await scene.ask("DEL")).status == 0
        await becomes(scene.ground.is_clean)

    scene = Scene(tmp_path)
    play(scene, book)
    assert not scene.dir.cni_socket.exists()


def test_a_del_that_was_queued_while_nobody_answered_is_done_before_anybody_is_answered(tmp_path: Path) -> None:
    async def book(scene: Scene) -> None:
        await becomes(scene.ground.is_clean)
        assert not waiting.exists()

    scene = Scene(tmp_path)
    asyncio.run(scene.ground.add())
    waiting = scene.queue_del()
    play(scene, book)


def test_a_queued_del_that_could_not_be_done_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cni, "REPLAY_SECONDS", 0.01)

    tries: list[int] = []
    replay = Verbs.replay

    async def at_the_fourth(verbs: Verbs) -> tuple[str, ...]:
        tries.append(len(tries))
        return await replay(verbs) if len(tries) >= 4 else ("busy",)

    async def book(scene: Scene) -> None:
        await becomes(lambda: not waiting.exists())
        await becomes(scene.ground.is_clean)

    monkeypatch.setattr(Verbs, "replay", at_the_fourth)
    scene = Scene(tmp_path)
    asyncio.run(scene.ground.add())
    waiting = scene.queue_del()
    play(scene, book)
    assert tries == [0, 1, 2, 3]
