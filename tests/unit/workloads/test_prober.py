"""Thresholds of probes over time, with commands instead of sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

from tandem.model import core
from tandem.workloads.prober import Prober, Voice


class Container:
    """Answers each probe with the next exit status (the last one for ever) and keeps what was reported."""

    address = "127.0.0.1"

    def __init__(self, *codes: int) -> None:
        self._codes: Iterator[int] = chain(codes, repeat(codes[-1]))
        self.reports: list[tuple[bool, bool]] = []
        self.changed = asyncio.Event()
        self.unhealthy: list[str] = []
        self.voice = Voice(report=self.report, unhealthy=self.unhealthy.append)

    async def execute(self, command: tuple[str, ...]) -> int:
        assert command == ("check",)
        return next(self._codes)

    def report(self, *, started: bool, ready: bool) -> None:
        self.reports.append((started, ready))
        self.changed.set()


def probe(**more: int) -> core.Probe:
    fields: dict[str, Any] = {"period_seconds": 0, "initial_delay_seconds": 0, **more}
    return core.Probe(exec=core.ExecAction(command=("check",)), **fields)


async def until(container: Container, reports: int, spec: core.Container) -> list[tuple[bool, bool]]:
    prober = Prober(container, spec, container.execute, container.voice)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(prober.run())
        while len(container.reports) < reports:
            await container.changed.wait()
            container.changed.clear()
        running.cancel()
    return container.reports[:reports]


def test_without_probes_a_container_is_ready_at_once() -> None:
    assert asyncio.run(until(Container(0), 1, core.Container(name="a"))) == [(True, True)]


def test_readiness_comes_and_goes_with_its_thresholds() -> None:
    spec = core.Container(name="a", readiness_probe=probe(failure_threshold=2))
    codes = Container(1, 0, 1, 0, 1, 1, 0)
    assert asyncio.run(until(codes, 4, spec)) == [(True, False), (True, True), (True, False), (True, True)]


def test_a_liveness_probe_that_fails_too_often_ends_the_container() -> None:
    spec = core.Container(name="a", liveness_probe=probe(failure_threshold=2))
    container = Container(0, 1, 0, 1, 1)
    prober = Prober(container, spec, container.execute, container.voice)
    asyncio.run(prober.run())
    assert prober.fatal == "Liveness probe failed: command ended with exit status 1"
    assert container.unhealthy == [prober.fatal] * 3


def test_nothing_else_is_asked_before_the_startup_probe_has_passed() -> None:
    spec = core.Container(name="a", startup_probe=probe(failure_threshold=3))
    container = Container(1)
    prober = Prober(container, spec, container.execute, container.voice)
    asyncio.run(prober.run())
    assert prober.fatal.startswith("Startup probe failed")
    assert container.reports == []


def test_a_container_that_was_ready_stays_so_until_its_probe_has_failed_often_enough() -> None:
    spec = core.Container(name="a", startup_probe=probe(), readiness_probe=probe(failure_threshold=3))
    container = Container(1, 1, 0, 1, 1, 1, 0)
    prober = Prober(container, spec, container.execute, container.voice, ready=True)

    async def story() -> None:
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(prober.run())
            while len(container.reports) < 3:
                await container.changed.wait()
                container.changed.clear()
            running.cancel()

    asyncio.run(story())
    assert container.reports[:3] == [(True, True), (True, False), (True, True)]


def test_extra_probes_before_the_first_success_count_as_no_failure() -> None:
    never = probe(period_seconds=3600, failure_threshold=2)
    spec = core.Container(name="a", startup_probe=never, readiness_probe=never)
    codes = Container(*[1] * 5, 0)
    assert asyncio.run(until(codes, 2, spec)) == [(True, False), (True, True)]
    assert codes.unhealthy == ["Startup probe failed: command ended with exit status 1"], "the one that was due"


def test_an_initial_delay_comes_before_the_first_probe() -> None:
    spec = core.Container(name="a", readiness_probe=probe(initial_delay_seconds=3600))
    container = Container(0)

    async def story() -> None:
        prober = Prober(container, spec, container.execute, container.voice)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(prober.run())
            for _ in range(20):
                await asyncio.sleep(0)
            running.cancel()

    asyncio.run(story())
    assert container.reports == [(True, False)]


def test_an_exec_probe_that_takes_too_long_or_cannot_run_has_failed() -> None:
    async def stuck(_: tuple[str, ...]) -> int:
        await asyncio.Event().wait()
        return 0

    async def broken(_: tuple[str, ...]) -> int:
        raise OSError(2, "no such file")

    for execute, why in ((stuck, "command timed out after 0s"), (broken, "no such file")):
        container = Container(0)
        spec = core.Container(name="a", liveness_probe=probe(failure_threshold=1, timeout_seconds=0))
        prober = Prober(container, spec, execute, container.voice)
        asyncio.run(prober.run())
        assert why in prober.fatal
