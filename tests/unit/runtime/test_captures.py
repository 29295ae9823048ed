"""Tables inside meshed pods: put back whatever is asked of Envoy. With its loop: test_enforce.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from meshbuild import attached, view
from tandem.base.clock import FixedClock
from tandem.base.problems import DriverError
from tandem.drivers.link.fake import FakeLinks
from tandem.drivers.nft.fake import FakeNft
from tandem.drivers.nft.pods_watch import FakePodsWatch, PodChange
from tandem.drivers.nft.watch import Change
from tandem.ir.node import ForeignLink, NodeView
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
        self.links = FakeLinks()
        self.captures = Captures(self._table, self.drift, self.links.capture)

    def placed(self, seen: NodeView) -> NodeView:
        """With the namespaces of its pods."""
        for pod in seen.pods:
            self.links.add_netns(pod.netns)
        return seen

    def _table(self, netns: str) -> FakeNft:
        assert self.links.namespaces[netns].marks, "nothing is captured before it is delivered"
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
        seen = scene.placed(meshed("a", "b"))
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
        seen = scene.placed(meshed("a"))
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
        seen = scene.placed(meshed("a", "b"))
        await scene.captures.apply(seen)
        a, b = (p.netns for p in seen.pods)
        outside = view(attached("a", "10.244.0.97", meshed=False))
        assert await scene.captures.release(outside) == {}
        assert scene.tables[a].read() is None
        assert scene.tables[b].read() is not None
        assert set(scene.watch.followed) == {a}

    play(story)


def test_a_pod_is_not_captured_before_what_is_marked_is_delivered_there() -> None:
    async def story(scene: Scene) -> None:
        seen = scene.placed(meshed("a"))
        (pod,) = seen.pods
        scene.links.fail_next(DriverError("no memory"), "capture")
        assert await scene.captures.apply(seen) == {f"capture/{pod.container_id}": "no memory"}
        assert pod.container_id not in scene.captures
        assert not scene.tables
        assert await scene.captures.apply(seen) == {}
        assert pod.container_id in scene.captures
        assert scene.links.namespaces[pod.netns].local_tables == {4}
        await scene.captures.release(view(attached("a", "10.244.0.97", meshed=False)))
        assert pod.container_id not in scene.captures

    play(story)


def test_behind_another_plugin_add_has_seen_to_it() -> None:
    async def story(scene: Scene) -> None:
        link = ForeignLink(ifname="eth0", node_addresses=(), guarded=False)
        seen = scene.placed(view(msgspec.structs.replace(attached("a", "10.88.0.2"), foreign=link)))
        scene.links.namespaces[seen.pods[0].netns].marks = frozenset({(4, 1)})
        await scene.captures.apply(seen)
        assert "capture" not in scene.links.calls
        assert seen.pods[0].container_id in scene.captures

    play(story)
