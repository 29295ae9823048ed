"""What an ADD waits for, and how long, against cells that the test fills."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from attaching import attachment
from meshbuild import identity
from tandem.base.cell import Cell
from tandem.base.ids import PodUid
from tandem.base.problems import DriverError
from tandem.drivers.xds.client import CallError
from tandem.ir.announcement import ANNOUNCE, Known, decode_announcement, encode
from tandem.ir.fabric import LocalPod
from tandem.runtime import progress
from tandem.runtime.admission import Admission, Loops
from tandem.runtime.metrics import Metrics
from tandem.runtime.views import Outcome

ATTACHED = attachment("c-1")
POD = LocalPod(uid=PodUid("u-a"), namespace="shop", name="a", service_account="a", identity=identity("a"), meshed=False)


class Scene:
    """Loops that have worked through view 7, and a control that answers when told to."""

    def __init__(self) -> None:
        done = Outcome(number=7)
        self.loops = Loops(kernel=Cell(done), guards=Cell(done), proxy=Cell(done))
        self.metrics = Metrics()
        self.asked: list[bytes] = []
        self.answers = asyncio.Event()
        self.refuses: Exception | None = None
        self.admission = Admission(self.loops, self._call, self.metrics, peers_wait=0.1)

    async def _call(self, method: str, data: bytes, deadline: float) -> bytes:
        assert (method, deadline) == (ANNOUNCE, 0.1)
        self.asked.append(data)
        if self.refuses is not None:
            raise self.refuses
        await self.answers.wait()
        return encode(Known(groups=2))

    async def own(self, number: int = 7) -> None:
        await self.admission.own(ATTACHED, POD, number)

    async def peers(self) -> None:
        await self.admission.peers(ATTACHED)

    def sample(self, name: str, what: str) -> float:
        return self.metrics.registry.get_sample_value(name, {"what": what}) or 0.0


def play(story: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            await story(Scene())

    asyncio.run(main())


def test_it_ends_when_peers_know_the_pod() -> None:
    async def story(scene: Scene) -> None:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(scene.peers())
            await asyncio.sleep(0.02)
            assert not waiting.done()
            scene.answers.set()
        (asked,) = map(decode_announcement, scene.asked)
        assert (asked.uid, asked.addresses) == (ATTACHED.pod_uid, ATTACHED.pod_addresses)
        assert scene.sample("tandem_cni_add_wait_seconds_count", "peers") == 1
        assert scene.sample("tandem_cni_add_bound_hits_total", "peers") == 0

    play(story)


def test_it_goes_on_after_the_bound_and_that_is_counted() -> None:
    async def story(scene: Scene) -> None:
        await scene.peers()
        assert scene.sample("tandem_cni_add_bound_hits_total", "peers") == 1
        assert scene.metrics.totals()["addBoundHits"] == 1

    play(story)


@pytest.mark.parametrize("failure", [CallError("away"), ValueError("nonsense")])
def test_a_control_that_is_away_holds_up_no_pod(failure: Exception) -> None:
    async def story(scene: Scene) -> None:
        scene.refuses = failure
        await scene.peers()
        assert scene.sample("tandem_cni_add_bound_hits_total", "peers") == 1

    play(story)


def test_the_pods_own_rules_wait_for_no_peer() -> None:
    async def story(scene: Scene) -> None:
        await scene.own()
        assert scene.asked == []
        assert scene.metrics.totals()["adds"] == 1
        assert scene.sample("tandem_cni_add_wait_seconds_count", "peers") == 0
        assert scene.sample("tandem_cni_add_wait_seconds_count", "policy") == 1

    play(story)


def test_the_pods_own_rules_are_no_matter_of_a_bound_that_lets_it_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "READY_TIMEOUT", 0.05)

    async def story(scene: Scene) -> None:
        with pytest.raises(DriverError, match="not in force"):
            await scene.own(8)
        scene.loops.kernel.put(Outcome(number=8, failed={"kernel": "no memory"}))
        with pytest.raises(DriverError, match="no memory"):
            await scene.own(8)
        assert scene.sample("tandem_cni_add_bound_hits_total", "policy") == 2
        assert scene.metrics.totals()["adds"] == 0

    play(story)
