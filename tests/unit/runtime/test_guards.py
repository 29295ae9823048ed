"""The loop over the namespaces of guarded pods; with a kernel in tests/e2e/test_chained.py."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec
import pytest

from tandem.base.cell import Cell
from tandem.base.clock import FixedClock
from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError, Origin
from tandem.compile.judge import Denial
from tandem.compile.nft.guard import compile_guard
from tandem.drivers.nft.fake import FakeNft
from tandem.drivers.nft.pods_watch import FakePodsWatch, PodChange
from tandem.drivers.nft.watch import Change
from tandem.ir.node import NodeView
from tandem.ir.policy import Side
from tandem.runtime import guards
from tandem.runtime.established import Ended
from tandem.runtime.guards import GuardLoop, denied_inside, name_of
from tandem.runtime.pod_drift import PodDrift
from tandem.runtime.views import Numbered, Views
from tandem.state.ownership import POLICY_TABLE
from unit.compile.nft.test_guard import ONLY_CLIENT, ONLY_WEB, of, view
from unit.runtime.test_established import connection

WEB = ContainerId("uid-default-web")


def ended(name: str) -> Ended:
    rule = Origin(kind="NetworkPolicy", namespace="default", name=name)
    return Ended(connection=connection("10.88.0.4", "10.88.0.2"), side=Side.INGRESS, rules=(rule,))


class Watching:
    """Remembers which namespaces are watched now, and what was ended."""

    def __init__(self) -> None:
        self.watched: set[str] = set()
        self.ended: list[Ended] = []

    async def watch(self, netns: str) -> None:
        self.watched.add(netns)
        try:
            await asyncio.Event().wait()
        finally:
            self.watched.discard(netns)

    def on_ended(self, ended: Iterable[Ended]) -> None:
        self.ended.extend(ended)


class Scene:
    """A loop over fakes, one per namespace."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(guards, "end_denied_inside", lambda _, pod: (ended(pod.pod.name),))
        self.tables: dict[str, FakeNft] = {}
        self.facts = Watching()
        self.watch = FakePodsWatch()
        self.drift = PodDrift(self.watch, FixedClock(), str.upper)
        self.loop = GuardLoop(self.facts, self.drift, self._driver)
        self.views: Views = Cell(None)
        self._number = 0

    def _driver(self, netns: str) -> FakeNft:
        return self.tables.setdefault(netns, FakeNft())

    async def put(self, seen: NodeView) -> dict[str, str]:
        """What failed, once the loop has worked through it."""
        self._number += 1
        self.views.put(Numbered(number=self._number, view=seen))
        version, outcome = await self.loop.outcome.after(-1)
        while outcome.number < self._number:
            version, outcome = await self.loop.outcome.after(version)
        await asyncio.sleep(0)
        return dict(outcome.failed)

    def play(self, *steps: NodeView) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []

        async def main() -> None:
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self.loop.run(self.views))
                found.extend([await self.put(step) for step in steps])
                self.watched = set(self.facts.watched)
                running.cancel()

        asyncio.run(main())
        return found


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_every_guarded_pod_has_its_table_and_is_watched(scene: Scene) -> None:
    seen = view(ONLY_CLIENT)
    assert scene.play(seen) == [{}]
    assert scene.watched == {"/run/netns/web", "/run/netns/client", "/run/netns/other"}
    table = scene.tables["/run/netns/web"].read()
    assert table is not None
    assert table.chains == compile_guard(seen, of(seen, "web")).chains


def test_a_change_of_policy_ends_what_it_denies_in_the_pods_that_it_concerns(scene: Scene) -> None:
    scene.play(view(), view(ONLY_CLIENT))
    first = [ended(name) for name in ("client", "other", "web")]  # by an agent that has just started: of all
    assert scene.facts.ended == [*first, ended("web")]


def test_a_pod_that_is_gone_is_not_watched_any_more_and_keeps_its_table_until_del(scene: Scene) -> None:
    seen = view(ONLY_CLIENT)
    left = msgspec.structs.replace(seen, pods=tuple(p for p in seen.pods if p.pod.name != "web"))
    scene.play(seen, left)
    assert "/run/netns/web" not in scene.watched
    assert scene.tables["/run/netns/web"].read() is not None


def test_one_pod_that_is_refused_does_not_hold_up_the_others_and_is_tried_again(scene: Scene) -> None:
    scene.tables["/run/netns/web"] = FakeNft()
    scene.tables["/run/netns/web"].fail_next(DriverError("no room"))
    first, second = scene.play(view(ONLY_CLIENT), view(ONLY_CLIENT, ONLY_WEB))
    assert first == {name_of(WEB): "no room"}
    assert second == {}
    assert scene.tables["/run/netns/client"].read() is not None


def test_what_the_table_would_drop_now_is_denied() -> None:
    seen = view(ONLY_CLIENT)
    web = of(seen, "web")
    denied = denied_inside(seen, web)
    said = denied(connection("10.88.0.4", "10.88.0.2"))
    assert isinstance(said, Denial)
    assert (said.side, [rule.name for rule in said.rules]) == (Side.INGRESS, ["only-client"])
    assert denied(connection("10.88.0.3", "10.88.0.2")) is None
    assert denied(connection("10.88.0.2", "10.88.0.4")) is None  # egress is open
    for loopback in ("127.0.0.1", "::1"):
        assert denied(connection(loopback, loopback)) is None
    assert isinstance(denied(connection("10.88.0.4", "10.88.0.2", protocol="ICMP")), Denial)
    assert denied(connection("10.88.0.77", "10.88.0.99")) is None  # of neither end


def test_a_table_that_somebody_else_has_changed_is_made_anew_and_every_connection_judged(scene: Scene) -> None:
    async def main() -> None:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(scene.loop.run(scene.views)), tasks.create_task(scene.drift.run())]
            await scene.put(view(ONLY_CLIENT))
            before = len(scene.facts.ended)
            changed = Change(things=("rule of chain guard-in removed",), process="nft", pid=7)
            scene.watch.happen(PodChange(netns="/run/netns/web", table=POLICY_TABLE, change=changed))
            while scene.drift.status()["repaired"] < 1 or len(scene.facts.ended) == before:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            for task in running:
                task.cancel()
        assert scene.facts.ended[before:] == [ended("web")]
        assert {netns: table.applied for netns, table in scene.tables.items()} == {
            "/run/netns/web": 2,
            "/run/netns/client": 1,
            "/run/netns/other": 1,
        }

    asyncio.run(main())
