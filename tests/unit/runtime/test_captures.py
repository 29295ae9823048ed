"""Tables inside meshed pods: put back whatever is asked of Envoy. With its loop: test_enforce.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from meshbuild import attached, view
from tandem.base.clock import FixedClock
from tandem.base.problems import DriverError
from tandem.drivers.nft.fake import FakeNft
from tandem.drivers.nft.pods_watch import FakePodsWatch, PodChange
from tandem.drivers.nft.watch import Change
from tandem.ir.node import NodeView
from tandem.runtime.captures import Captures
from tandem.runtime.pod_drift import PodDrift
from tandem.state.ownership import TABLE
from unit.runtime.looping import until


def meshed(*names: str) -> NodeView:
    return view(*(attached(name, f"10.244.0.{ord(name)}") for name in names))


class Scene:
    """Tables by namespace."""

    def __init__(self) -> None:
        self.watch = FakePodsWatch()
        self.drift = PodDrift(self.watch, FixedClock(), str.upper)
        self.tables: dict[str, FakeNft] = {}
        self.captures = Captures(self._table, self.drift)

    def _table(self, netns: str) -> FakeNft:
        return self.tables.setdefault(netns, FakeNft())


def play(story: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        scene = Scene()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(scene.captures.keep()), tasks.create_task(scene.drift.run())
            await story(scene)
            for task in running:
                task.cancel()

    asyncio.run(main())


def test_the_table_that_was_applied_last_is_put_back_and_no_other() -> None:
    async def story(scene: Scene) -> None:
        seen = meshed("a", "b")
        assert await scene.captures.apply(seen) == {}
        a, b = (p.netns for p in seen.pods)
        before = scene.tables[a].read()
        scene.watch.happen(PodChange(netns=a, table=TABLE, change=Change(things=("table inet tandem removed",))))
        await until(lambda: scene.drift.status()["repaired"])
        assert scene.tables[a].read() == before
        assert (scene.tables[a].applied, scene.tables[b].applied) == (2, 1)
        assert scene.captures.refused.value == 0

    play(story)


def test_what_is_refused_then_is_applied_with_the_next_view() -> None:
    async def story(scene: Scene) -> None:
        seen = meshed("a")
        await scene.captures.apply(seen)
        (table,) = scene.tables.values()
        table.fail_next(DriverError("busy"))
        netns = seen.pods[0].netns
        scene.watch.happen(PodChange(netns=netns, table=TABLE, change=Change(things=("table inet tandem removed",))))
        await until(lambda: scene.captures.refused.value)
        assert scene.drift.problems()
        assert await scene.captures.apply(seen) == {}
        assert table.applied == 2
        assert not scene.drift.problems()

    play(story)


def test_a_pod_that_left_the_mesh_is_released_and_one_that_is_gone_is_not_followed() -> None:
    async def story(scene: Scene) -> None:
        seen = meshed("a", "b")
        await scene.captures.apply(seen)
        a, b = (p.netns for p in seen.pods)
        outside = view(attached("a", "10.244.0.97", meshed=False))
        assert await scene.captures.release(outside) == {}
        assert scene.tables[a].read() is None
        assert scene.tables[b].read() is not None
        assert set(scene.watch.followed) == {a}

    play(story)
