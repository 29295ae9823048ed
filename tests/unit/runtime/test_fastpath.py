"""The loop between views and the fast path, with a fake driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import pytest

from builders import pod, world
from nodeviews import view_of
from tandem.base.problems import DriverError
from tandem.compile.fastpath import compile_fast_path
from tandem.drivers.bpf.fake import FakeFastPath, FakeLinks
from tandem.drivers.bpf.port import Held
from tandem.ir.network import Network
from tandem.ir.node import NodeView
from tandem.runtime import fastpath
from tandem.runtime.fastpath import OFF, FastPathLoop
from unit.runtime.looping import Looping


def viewed(*names: str, on: bool = True) -> NodeView:
    found = view_of(world(*(pod(name, ip=f"10.244.0.{2 + n}") for n, name in enumerate(names))))
    pods = tuple(msgspec.structs.replace(p, mac="02:00:00:00:00:01") for p in found.pods)
    config = msgspec.structs.replace(found.config, network=Network(fast_path=on))
    return msgspec.structs.replace(found, pods=pods, config=config)


NONE, ONE, TWO = viewed(), viewed("a"), viewed("a", "b")
LINK_A, LINK_B = (p.host_ifname for p in TWO.pods)


@dataclass
class Scene:
    """A loop over a fake of a node with the links of two pods."""

    looping: Looping
    links: FakeLinks
    fake: FakeFastPath
    loop: FastPathLoop
    runner: asyncio.Runner
    prepared: int = 0
    established: int = 0
    unfit: str = ""

    def establish(self) -> int:
        self.established += 1
        return 0

    async def prepare(self) -> None:
        if self.unfit:
            raise DriverError(self.unfit)
        self.prepared += 1

    @property
    def held(self) -> Held:
        return self.fake._held

    def play(self, *steps: Callable[[], object]) -> None:
        self.looping.run(self.loop.run, steps)

    def status(self) -> dict[str, object]:
        return self.runner.run(self.loop.status())

    def has(self, seen: NodeView) -> Callable[[], bool]:
        return lambda: self.held.ends == compile_fast_path(seen)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for name in ("PAUSE", "LONGEST", "LOOK_SECONDS", "AGAIN_SECONDS"):
        monkeypatch.setattr(fastpath, name, 0.001)
    links = FakeLinks(there={LINK_A, LINK_B})
    with asyncio.Runner() as runner:
        fake = FakeFastPath(links)

        async def prepare() -> None:
            await made.prepare()

        def establish() -> int:
            return made.establish()

        made = Scene(Looping(runner), links, fake, FastPathLoop(fake, prepare, establish), runner)
        yield made


def test_it_follows_pods_that_come_and_go_and_is_prepared_once(scene: Scene) -> None:
    assert scene.status() == {"addresses": 0, "packets": 0, "why": "not yet"}
    steps: list[Callable[[], object]] = []
    for seen in (NONE, ONE, TWO, ONE):
        steps += [lambda seen=seen: scene.looping.put(seen), scene.has(seen)]  # type: ignore[misc]
    # What is gone is dropped first, and its link a moment later.
    scene.play(*steps, lambda: scene.links.filtered == {LINK_A})
    assert scene.prepared == 1
    assert scene.links.filtered == {LINK_A}


def test_connection_tracking_is_told_of_what_goes_on_without_it_and_not_where_a_link_went(scene: Scene) -> None:
    scene.play(lambda: scene.looping.put(TWO), scene.has(TWO))
    scene.links.there.discard(LINK_B)
    scene.play(lambda: scene.looping.put(ONE), lambda: scene.held.links == {LINK_A})
    assert scene.established == 0
    scene.fake.unable = "no such function"
    scene.play(lambda: scene.loop.renew(LINK_A), lambda: bool(scene.established))
    assert not scene.links.filtered


def test_it_is_prepared_again_after_a_while(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastpath, "KEEP_SECONDS", 0.001)
    scene.play(lambda: scene.looping.put(ONE), lambda: scene.prepared > 2)
    assert scene.held.ends == compile_fast_path(ONE)


def test_nothing_is_prepared_where_there_is_nothing(scene: Scene) -> None:
    scene.play(lambda: scene.looping.put(NONE), lambda: scene.loop._why == "")
    assert scene.prepared == 0


def test_the_network_switches_it_off_and_on(scene: Scene) -> None:
    off = viewed("a", "b", on=False)
    scene.play(
        lambda: scene.looping.put(TWO),
        scene.has(TWO),
        lambda: scene.looping.put(off),
        lambda: scene.loop._why == OFF,
    )
    assert not scene.links.filtered
    assert scene.held == Held()
    assert scene.established == 1
    assert scene.status() == {"addresses": 0, "packets": 0, "why": OFF}
    scene.play(lambda: scene.looping.put(TWO), scene.has(TWO), lambda: scene.loop._why == "")
    assert scene.status() == {"addresses": 2, "packets": 0, "why": ""}


def test_a_link_that_comes_later_is_found(scene: Scene) -> None:
    scene.links.there.discard(LINK_B)
    scene.play(
        lambda: scene.looping.put(TWO),
        scene.has(ONE),
        lambda: scene.links.there.add(LINK_B),
        scene.has(TWO),
    )


def test_what_an_earlier_agent_left_is_taken_off_where_the_kernel_refuses(scene: Scene) -> None:
    scene.links.filtered.add(LINK_A)
    scene.fake.unable = "no such function"
    scene.play(lambda: scene.looping.put(TWO), lambda: scene.loop._why == "no such function")
    assert not scene.links.filtered
    assert scene.status()["why"] == "no such function"
    scene.fake.unable = ""
    scene.play(scene.has(TWO), lambda: scene.loop._why == "")


def test_without_what_it_needs_of_connection_tracking_nothing_is_fast(scene: Scene) -> None:
    scene.unfit = "no connection tracking"
    scene.play(lambda: scene.looping.put(TWO), lambda: scene.loop._why == "no connection tracking")
    assert scene.held == Held()


def test_a_driver_that_cannot_count_is_no_trouble(scene: Scene) -> None:
    scene.fake.fail_next(DriverError("busy"))
    assert scene.status()["packets"] == 0


def test_news_that_never_ends_puts_it_off_for_a_while_only(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastpath, "PAUSE", 3600.0)
    monkeypatch.setattr(fastpath, "LONGEST", 0.01)
    turn = iter(range(1_000_000))

    def news() -> bool:
        scene.looping.put(msgspec.structs.replace(ONE, underlay_mtu=1500 + next(turn)))
        return scene.has(ONE)()

    scene.play(news)


def test_what_is_gone_is_forgotten_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.play(lambda: scene.looping.put(TWO), scene.has(TWO))
    monkeypatch.setattr(fastpath, "PAUSE", 3600.0)
    monkeypatch.setattr(fastpath, "LONGEST", 3600.0)
    scene.play(lambda: scene.looping.put(ONE), scene.has(ONE))
    assert scene.held.links == {LINK_A, LINK_B}


def test_a_link_that_was_made_anew_is_attached_anew_and_is_another_end(scene: Scene) -> None:
    def renewed() -> None:
        scene.links.filtered.discard(LINK_A)  # it went with the link before
        scene.loop.renew(LINK_A)

    scene.play(lambda: scene.looping.put(TWO), scene.has(TWO), renewed, lambda: LINK_A in scene.links.filtered)
    assert scene.held.links == {LINK_A, LINK_B}
    assert scene.held.ends == compile_fast_path(TWO)
