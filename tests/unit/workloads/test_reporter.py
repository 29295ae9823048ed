"""Status reaches the API when it means something else, and again after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from builders import pod
from tandem.base.cell import Cell
from tandem.base.clock import FixedClock
from tandem.ingest.errors import ApiError, NotFound
from tandem.model import core
from tandem.workloads import reporter
from tandem.workloads.context import Node
from tandem.workloads.reporter import Reporter
from tandem.workloads.status import INTERNAL_ERROR, ContainerState, PodState

NEW = PodState(containers=[ContainerState(name="main")], host_ips=("192.0.2.1",), started_at=1.0)
HAS_ADDRESS = replace(NEW, addresses=("10.244.0.5",), sandbox=True)
RUNNING = replace(HAS_ADDRESS, containers=[ContainerState(name="main", running_since=2.0, started=True)])
READY = replace(HAS_ADDRESS, containers=[ContainerState(name="main", running_since=2.0, started=True, ready=True)])


class Lab:
    """A reporter whose client keeps patches; `errors` are raised first."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.patches: list[dict[str, Any]] = []
        self.arrived = asyncio.Event()
        self.state = NEW
        self.pods: Cell[core.Pod | None] = Cell(pod("a", uid="u1", phase="Pending", ip=()))
        node = SimpleNamespace(client=self, clock=FixedClock(), writes=asyncio.Semaphore(1))
        self.reporter = Reporter(cast("Node", node), self.pods, lambda: self.state)

    async def patch(self, _: object, namespace: str, name: str, patch: dict[str, Any], *, subresource: str) -> Any:
        assert (namespace, name, subresource) == ("default", "a", "status")
        if self.errors:
            raise self.errors.pop(0)
        self.patches.append(patch["status"])
        self.arrived.set()
        return {"metadata": {"resourceVersion": str(len(self.patches))}}

    def show(self, state: PodState) -> None:
        self.state = state
        self.reporter.changed()

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            await self.arrived.wait()
        self.arrived.clear()
        return self.patches[-1]


def told(story: Callable[[Lab], Awaitable[None]], *errors: Exception) -> Lab:
    async def run() -> Lab:
        lab = Lab(*errors)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(lab.reporter.run())
            await story(lab)
            running.cancel()
        return lab

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "_AGAIN", 0.0)


def test_steps_that_nobody_waits_for_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "_LASTING", 3600.0)

    async def story(lab: Lab) -> None:
        await asyncio.sleep(0)
        lab.show(HAS_ADDRESS)
        assert (await lab.next())["podIP"] == "10.244.0.5"
        lab.show(RUNNING)
        await asyncio.sleep(0)
        lab.show(READY)
        assert (await lab.next())["containerStatuses"][0]["ready"]

    assert len(told(story).patches) == 2


def test_a_step_that_lasts_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "_LASTING", 0.0)

    async def story(lab: Lab) -> None:
        assert (await lab.next())["phase"] == "Pending"
        lab.show(HAS_ADDRESS)
        await lab.next()
        lab.show(RUNNING)
        assert (await lab.next())["phase"] == "Running"

    told(story)


def test_a_refused_write_is_tried_again_whatever_the_reason() -> None:
    async def story(lab: Lab) -> None:
        lab.show(READY)
        assert (await lab.next())["podIP"] == "10.244.0.5"

    told(story, ApiError(500, "InternalError", "busy"), RuntimeError("a fault of ours"))


def test_a_pod_that_has_gone_from_the_api_is_reported_no_more() -> None:
    async def run() -> None:
        lab = Lab(NotFound(404, "NotFound", "gone"))
        lab.state = READY
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            tasks.create_task(lab.reporter.run())
            while lab.errors:  # noqa: ASYNC110 - the fake has no event for it
                await asyncio.sleep(0)
            lab.pods.put(None)
            lab.reporter.changed()
        assert lab.patches == []

    asyncio.run(run())


def test_an_address_that_was_given_back_and_a_fault_that_is_over_are_removed() -> None:
    async def story(lab: Lab) -> None:
        lab.show(READY)
        await lab.next()
        lab.show(replace(NEW, problem=(INTERNAL_ERROR, "why")))
        status = await lab.next()
        assert (status["podIP"], status["podIPs"], status["reason"]) == (None, None, INTERNAL_ERROR)
        lab.show(READY)
        assert (await lab.next())["reason"] is None

    told(story)


def test_a_readiness_that_somebody_else_wrote_is_put_right() -> None:
    """A node that was lost and is back: its pods were declared not ready meanwhile."""

    async def story(lab: Lab) -> None:
        lab.show(READY)
        assert (await lab.next())["conditions"]
        lost = pod("a", uid="u1", phase="Running", ip=())
        lab.pods.put(
            msgspec.structs.replace(lost, metadata=msgspec.structs.replace(lost.metadata, resource_version="9"))
        )
        lab.reporter.changed()
        again = await lab.next()
        assert {c["type"]: c["status"] for c in again["conditions"]}["Ready"] == "True"
        own = msgspec.structs.replace(lost.metadata, resource_version="2")
        lab.pods.put(
            msgspec.structs.replace(lost, metadata=own)
        )  # older than what was written last: no word of another
        lab.reporter.changed()
        await asyncio.sleep(0.02)

    assert len(told(story).patches) == 2
