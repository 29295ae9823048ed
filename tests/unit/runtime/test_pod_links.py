"""What others change of pods' networks: when it is looked at, what is told of it, and that it is put back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from builders import pod, world
from nodeviews import view_of
from tandem.base.cell import Cell
from tandem.base.clock import FixedClock
from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.drivers.link.pods_watch import NOBODY, Culprit, FakePodLinksWatch
from tandem.runtime import pod_links
from tandem.runtime.pod_links import PodLinks
from tandem.runtime.views import Numbered, Views
from unit.runtime.looping import beside, until

BOTH = view_of(world(*(pod(name, ip=f"10.244.0.{2 + n}") for n, name in enumerate("ab"))))
NONE = view_of(world())
A, B = (p.netns for p in BOTH.pods)
CONTAINERS = {p.container_id: p.netns for p in BOTH.pods}
LACKS = ("eth0 lacks the address 10.244.0.2/32",)


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAUSE_SECONDS", "FIRST_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(pod_links, name, 0.001)


class Scene:
    """Two pods; `damage` by namespace, which a repair takes away."""

    def __init__(self) -> None:
        self.watch = FakePodLinksWatch()
        self.views: Views = Cell(Numbered(number=1, view=BOTH))
        self.renewed: list[str] = []
        self.links = PodLinks(self.watch, FixedClock(), lambda netns: f"shop{netns}", self)
        self.damage: dict[str, tuple[str, ...]] = {}
        self.busy: set[str] = set()
        self.refusal = ""
        self.anew: tuple[str, ...] = ()
        self.looks: list[str] = []
        self.bare: set[str] = set()
        """Host ends without the filter of the fast path."""

    async def is_bare(self, host_ifname: str) -> bool:
        return host_ifname in self.bare

    def renew(self, host_ifname: str) -> None:
        self.bare.discard(host_ifname)
        self.renewed.append(host_ifname)

    async def look(self, container_id: ContainerId) -> tuple[str, ...] | None:
        netns = CONTAINERS[container_id]
        self.looks.append(netns)
        return None if netns in self.busy else self.damage.get(netns, ())

    async def mend(self, container_id: ContainerId) -> tuple[str, ...]:
        if self.refusal:
            raise DriverError(self.refusal)
        del self.damage[CONTAINERS[container_id]]
        return self.anew

    def touch(self, netns: str, by: Culprit = NOBODY, *damage: str) -> None:
        if damage:
            self.damage[netns] = damage
        self.watch.happen({netns: by})

    async def looked(self) -> None:
        """Each pod for the first time."""
        await until(lambda: set(self.looks) == {A, B})
        self.looks.clear()


def play(story: Callable[[Scene], Awaitable[None]]) -> None:
    beside(Scene, lambda scene: scene.links.run(scene, scene.views), story)


def test_each_pod_is_followed_and_looked_at_once_and_then_where_something_happens() -> None:
    async def story(scene: Scene) -> None:
        await scene.looked()
        assert scene.watch.followed == {A, B}
        scene.touch(B)
        await until(lambda: scene.looks == [B])
        scene.views.put(Numbered(number=2, view=NONE))
        await until(lambda: not scene.watch.followed)
        scene.touch(B)
        await asyncio.sleep(0.05)
        assert scene.looks == [B]
        assert scene.links.status() == {"found": 0, "repaired": 0, "newest": []}
        assert scene.links.problems() == ()

    play(story)


def test_what_differs_is_told_with_who_did_it_and_put_back() -> None:
    async def story(scene: Scene) -> None:
        await scene.looked()
        scene.anew = ("td1",)
        scene.touch(A, Culprit("ip", 7), *LACKS)
        await until(lambda: scene.links.status()["repaired"])
        (told,) = scene.links.status()["newest"]
        assert (told["pod"], told["by"], told["pid"], told["what"]) == (f"shop{A}", "ip", 7, list(LACKS))
        assert scene.links.status()["found"] == 1
        assert scene.renewed == ["td1"]
        assert not scene.links.problems()

    play(story)


def test_a_filter_of_the_fast_path_that_was_taken_off_is_told_and_put_back_and_the_link_left_alone() -> None:
    async def story(scene: Scene) -> None:
        await scene.looked()
        host = BOTH.pods[0].host_ifname
        scene.bare.add(host)
        scene.touch(A, Culprit("tc", 7))
        await until(lambda: scene.links.status()["repaired"])
        (told,) = scene.links.status()["newest"]
        assert (told["by"], told["what"]) == ("tc", [f"{host} lacks the filter of the fast path"])
        assert scene.renewed == [host]

    play(story)


def test_what_the_kernel_does_not_tell_is_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_links, "SWEEP_SECONDS", 0.01)

    async def story(scene: Scene) -> None:
        await scene.looked()
        scene.damage[B] = ("eth0 has the setting accept_ra 2 of ipv6, not 0",)
        await until(lambda: scene.links.status()["repaired"])
        (told,) = scene.links.status()["newest"]
        assert (told["pod"], told["by"], told["pid"]) == (f"shop{B}", "", 0)

    play(story)


def test_a_refused_repair_is_a_problem_told_once_and_tried_again() -> None:
    async def story(scene: Scene) -> None:
        await scene.looked()
        scene.refusal = "no room"
        scene.touch(A, NOBODY, *LACKS)
        await until(lambda: len(scene.looks) > 3)
        assert scene.links.problems() == (
            f"somebody changed the network of pod shop{A}, not repaired yet: {LACKS[0]}",
            f"the network of pod shop{A} is not looked at, or not repaired: no room",
        )
        assert (scene.links.status()["found"], len(scene.links.status()["newest"])) == (1, 1)
        scene.refusal = ""
        await until(lambda: scene.links.status()["repaired"] == 1)
        assert not scene.links.problems()

    play(story)


def test_a_pod_that_leaves_takes_its_problem_along() -> None:
    async def story(scene: Scene) -> None:
        await scene.looked()
        scene.refusal = "no room"
        scene.touch(A, NOBODY, *LACKS)
        await until(scene.links.problems)
        scene.views.put(Numbered(number=2, view=NONE))
        await until(lambda: not scene.links.problems())
        assert scene.links.status()["repaired"] == 1

    play(story)


def test_a_pod_with_which_somebody_is_busy_is_looked_at_later() -> None:
    async def story(scene: Scene) -> None:
        await scene.looked()
        scene.busy.add(A)
        scene.touch(A, NOBODY, *LACKS)
        await until(lambda: len(scene.looks) > 2)
        assert scene.links.status()["found"] == 0
        scene.busy.clear()
        await until(lambda: scene.links.status()["repaired"])

    play(story)


def test_what_happens_again_and_again_is_looked_at_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_links, "PAUSE_SECONDS", 30.0)
    monkeypatch.setattr(pod_links, "FIRST_SECONDS", 0.001)

    async def story(scene: Scene) -> None:
        await scene.looked()
        scene.touch(A)
        scene.touch(B)
        for _ in range(20):
            scene.touch(A)
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.1)
        assert scene.looks == []

    play(story)


def test_a_kernel_that_does_not_tell_is_a_problem_until_it_does() -> None:
    async def story(scene: Scene) -> None:
        await scene.looked()
        scene.watch.happen(DriverError("deaf"))
        await until(scene.links.problems)
        assert scene.links.problems() == ("changes in pods are not heard of: deaf",)
        scene.touch(A)
        await until(lambda: not scene.links.problems())

    play(story)


def test_a_pod_that_cannot_be_watched_is_looked_at_all_the_same() -> None:
    async def story(scene: Scene) -> None:
        await scene.looked()

    def refusing() -> Scene:
        scene = Scene()
        scene.watch.refused.add(A)
        return scene

    beside(refusing, lambda scene: scene.links.run(scene, scene.views), story)
