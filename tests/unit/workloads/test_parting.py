"""A deleted pod leaves service first and the API last."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from builders import pod
from tandem.base.cell import Cell
from tandem.base.ids import PodUid
from tandem.base.problems import DriverError
from tandem.ingest.errors import ApiError
from tandem.ingest.fake import FakeKube
from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.workloads import parting
from tandem.workloads.context import Node
from tandem.workloads.parting import DRAINED, QUIET_SECONDS, answered, delete_from_api, drained

RAW = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "default"}, "spec": {"nodeName": "n"}}


def cell(value: core.Pod | None) -> Cell[core.Pod | None]:
    return Cell(value)


def noted(**annotations: str) -> core.Pod:
    plain = pod("a")
    return msgspec.structs.replace(plain, metadata=msgspec.structs.replace(plain.metadata, annotations=annotations))


def test_a_pod_is_drained_when_control_says_so_or_the_api_has_it_no_more() -> None:
    async def story(last: core.Pod | None) -> None:
        pods = cell(noted())
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(drained(pods))
            await asyncio.sleep(0)
            pods.put(noted(other="x"))
            await asyncio.sleep(0)
            assert not waiting.done()
            pods.put(last)

    asyncio.run(story(noted(**{DRAINED: "true"})))
    asyncio.run(story(None))


class Proxy:
    """Answers one after the other, the last one for ever."""

    def __init__(self, *answers: tuple[int, int]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def requests(self, cluster: str) -> tuple[int, int]:
        self.asked.append(cluster)
        if not self.answers:
            raise DriverError("no proxy")
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def looks(*answers: tuple[int, int]) -> int:
    """How often the proxy is asked until everything is answered."""
    proxy = Proxy(*answers)

    async def wait() -> None:
        async with asyncio.timeout(20):
            await answered(proxy, PodUid("u"))

    asyncio.run(wait())
    assert set(proxy.asked) == {"app/u"}
    return len(proxy.asked)


QUIET = 1 + round(QUIET_SECONDS / parting.LOOK_SECONDS)


def test_requests_under_way_are_waited_for_and_so_is_one_that_was_on_its_way() -> None:
    assert looks((0, 7)) == QUIET
    assert looks((2, 7), (1, 7), (0, 7)) == 2 + QUIET - 1
    assert looks((0, 7), (0, 7), (0, 8), (1, 9), (0, 9)) >= 4 + QUIET - 1


def test_nobody_is_waited_for_where_no_proxy_delivers() -> None:
    assert looks((0, 0)) == 1
    assert looks() == 1


def test_the_pod_leaves_the_api_as_soon_as_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parting, "pause_after", lambda _: 0.0)
    kube = FakeKube([RAW])
    kube.fail_next(ApiError(503, "ServiceUnavailable", "restarting"))
    node = cast("Node", SimpleNamespace(client=kube))

    async def story() -> None:
        await delete_from_api(node, cell(pod("a")), pod("a").metadata)
        assert await kube.list(BY_KIND["Pod"]) == ([], "2")
        await delete_from_api(node, cell(pod("a")), pod("a").metadata)  # somebody was faster

    asyncio.run(story())
