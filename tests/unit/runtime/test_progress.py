"""What a loop has worked through: who waits for it, and what control hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest

from meshbuild import RULE
from tandem.base.cell import Cell
from tandem.base.problems import DriverError, Origin
from tandem.drivers.xds.client_session import Update
from tandem.ir import wire
from tandem.ir.mesh import Backend, Forward, Route, RouteTable
from tandem.runtime import progress
from tandem.runtime.progress import Progress, in_force
from tandem.runtime.slice import Slice
from tandem.runtime.views import SILENT, Outcome

TABLE = RouteTable(
    namespace="shop",
    service="web",
    routes=(
        Route(
            name="r",
            matches=(),
            action=Forward(backends=(Backend(namespace="shop", service="web"),)),
            origin=RULE,
        ),
    ),
)


class Lab:
    """A slice and three loops; answers are kept."""

    def __init__(self) -> None:
        self.slice = Slice("n1")
        self.loops = {name: Cell(Outcome()) for name in ("kernel", "proxy", "guards")}
        self.progress = Progress(self.slice, self, **self.loops)
        self.acked: list[str] = []
        self.nacked: dict[str, Mapping[str, str]] = {}

    def ack(self, nonce: str) -> None:
        self.acked.append(nonce)

    def nack(self, nonce: str, errors: Mapping[str, str]) -> None:
        self.nacked[nonce] = errors

    def tell(self, nonce: str, **values: wire.Value | bytes) -> None:
        found = {n: ("v", v if isinstance(v, bytes) else wire.encode(v)) for n, v in values.items()}
        self.slice.take(Update(type_url=wire.URLS[RouteTable], resources=found, removed=(), nonce=nonce))

    def kernel(self, number: int) -> None:
        for name in ("kernel", "guards"):
            self.loops[name].put(Outcome(number=number))

    def proxy(
        self, number: int, failed: Mapping[str, str] | None = None, origins: Mapping[Origin, str] | None = None
    ) -> None:
        self.loops["proxy"].put(Outcome(number=number, failed=failed or {}, origins=origins or {}))

    def play(self, scene: Callable[[], Awaitable[None]]) -> None:
        async def play() -> None:
            async with asyncio.timeout(20), asyncio.TaskGroup() as group:
                running = group.create_task(self.progress.run())
                await scene()
                running.cancel()

        asyncio.run(play())


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_an_update_is_acknowledged_when_kernel_and_envoy_have_it(lab: Lab) -> None:
    async def scene() -> None:
        lab.tell("t", web=TABLE)
        lab.kernel(1)
        await asyncio.sleep(0.01)
        assert lab.acked == []
        lab.proxy(1)
        while not lab.acked:  # noqa: ASYNC110 - the stub tells nobody
            await asyncio.sleep(0.001)
        assert lab.acked == ["t"]

    lab.play(scene)


def test_what_envoy_refuses_is_refused_to_control_by_the_resource_of_that_manifest(lab: Lab) -> None:
    async def scene() -> None:
        other = RouteTable(namespace="shop", service="db", routes=())
        lab.tell("t", web=TABLE, db=other)
        lab.kernel(1)
        lab.proxy(1, {"rt/web": "bad regex"}, {RULE: "bad regex"})
        while not lab.nacked:  # noqa: ASYNC110 - the stub tells nobody
            await asyncio.sleep(0.001)
        assert (lab.nacked, lab.acked) == ({"t": {"web": "bad regex"}}, [])

    lab.play(scene)


def test_while_envoy_is_silent_nothing_is_acknowledged(lab: Lab) -> None:
    async def scene() -> None:
        lab.tell("t", web=TABLE)
        lab.kernel(1)
        lab.proxy(1, {SILENT: "has not accepted within 5 s"})
        await asyncio.sleep(0.02)
        assert lab.acked == []
        lab.proxy(1)
        while not lab.acked:  # noqa: ASYNC110 - the stub tells nobody
            await asyncio.sleep(0.001)

    lab.play(scene)


def test_what_this_agent_cannot_read_is_refused(lab: Lab) -> None:
    async def scene() -> None:
        lab.tell("t", web=b"{}")
        lab.kernel(1)
        lab.proxy(1)
        while not lab.nacked:  # noqa: ASYNC110 - the stub tells nobody
            await asyncio.sleep(0.001)
        assert "cannot read it" in lab.nacked["t"]["web"]

    lab.play(scene)


def test_failures_are_those_of_every_loop(lab: Lab) -> None:
    for name, text in (("guards", "no room"), ("kernel", "no memory")):
        lab.loops[name].put(Outcome(number=1, failed={name: text}))
    assert lab.progress.failures() == ("no memory", "no room")


def test_who_waits_for_a_view_hears_what_failed_of_his_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "READY_TIMEOUT", 0.02)

    async def scene() -> None:
        cell = Cell(Outcome(number=1, failed={"rt/web": "bad regex"}))
        await in_force(cell, 1, ("rt/db",))
        with pytest.raises(DriverError, match="rt/web: bad regex"):
            await in_force(cell, 1, ("rt/db", "rt/web"))
        with pytest.raises(DriverError, match=r"not in force after 0\.02 s: bad regex"):
            await in_force(cell, 2, ())

    asyncio.run(scene())


def test_all_loops_have_passed_a_view_whatever_they_refused(lab: Lab) -> None:
    async def scene() -> None:
        lab.kernel(3)
        asyncio.get_running_loop().call_later(0.01, lab.proxy, 3, {"rt/web": "bad regex"})
        await lab.progress.passed(3)
        assert lab.loops["proxy"].value.number == 3

    lab.play(scene)
