"""A node's lease: made once, renewed from then on, and again after an API that did not answer."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tandem.base.clock import FixedClock
from tandem.ingest.errors import ApiError
from tandem.ingest.fake import FakeKube
from tandem.model.coordination import NODE_LEASES
from tandem.model.kinds import BY_KIND
from tandem.workloads import heartbeat
from tandem.workloads.context import Node
from tandem.workloads.heartbeat import beat, renew

LEASE = BY_KIND["Lease"]


class Story:
    """A node and its API."""

    def __init__(self) -> None:
        self.kube = FakeKube()
        self.clock = FixedClock(1_700_000_000.25)
        self.node = cast("Node", SimpleNamespace(name="node-1", client=self.kube, clock=self.clock))

    async def lease(self) -> dict[str, Any]:
        return await self.kube.get(LEASE, NODE_LEASES, "node-1")


def test_the_first_beat_makes_the_lease_and_the_next_renews_it() -> None:
    async def play(story: Story) -> None:
        await renew(story.node.client, story.clock, NODE_LEASES, "node-1")
        first = await story.lease()
        assert first["spec"]["holderIdentity"] == "node-1"
        assert first["spec"]["renewTime"] == "2023-11-14T22:13:20.250000Z"
        story.clock.advance(2.0)
        await renew(story.node.client, story.clock, NODE_LEASES, "node-1")
        second = await story.lease()
        assert second["spec"]["renewTime"] == "2023-11-14T22:13:22.250000Z"
        assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]

    asyncio.run(play(Story()))


def test_a_beat_that_is_refused_or_hangs_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT", 0.01)
    story = Story()
    story.kube.fail_next(ApiError(503, "ServiceUnavailable", "starting"))
    patch, hangs, renewed = story.kube.patch, [True], asyncio.Event()

    async def slow(*arguments: Any, **more: Any) -> Any:
        if hangs:
            hangs.clear()
            await asyncio.Event().wait()
        answer = await patch(*arguments, **more)
        renewed.set()
        return answer

    monkeypatch.setattr(story.kube, "patch", slow)

    async def play() -> None:
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(beat(story.node))
            await renewed.wait()
            beating.cancel()

    asyncio.run(play())
