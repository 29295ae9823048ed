"""A deleted pod leaves service first and the API last."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from builders import pod
from tandem.base.cell import Cell
from tandem.ingest.errors import ApiError
from tandem.ingest.fake import FakeKube
from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.workloads import parting
from tandem.workloads.context import Node
from tandem.workloads.parting import DRAINED, delete_from_api, drained

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
