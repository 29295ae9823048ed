"""When a node answers for an address: after its rules are in force, until it is told otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from meshbuild import CONFIG
from nodeviews import node
from tandem.base.cell import Cell
from tandem.base.problems import DriverError, Origin
from tandem.drivers.announce.fake import FakeAnnouncer
from tandem.drivers.announce.plan import Link
from tandem.drivers.health import HealthServer
from tandem.ir.fabric import Service
from tandem.ir.node import NodeView
from tandem.runtime import outward
from tandem.runtime.outward import OutwardLoop
from tandem.runtime.views import Numbered, Outcome, Views

ETH0 = Link(index=2, name="eth0", mac=b"\2" * 6, subnets=("192.0.2.7/24",))
HERE, AWAY = "192.0.2.65", "198.51.100.1"
WEB = Origin(kind="Service", namespace="shop", name="web")


def numbered(number: int, *addresses: str) -> Numbered:
    web = Service(namespace="shop", name="web", cluster_ips=("10.96.0.20",), ports=(), balancer_ips=addresses)
    return Numbered(number=number, view=NodeView(node=node(), config=CONFIG, services={"shop/web": web}))


class Scene:
    def __init__(self) -> None:
        self.announcer = FakeAnnouncer([ETH0])
        self.kernel: Cell[Outcome] = Cell(Outcome())
        self.views: Views = Cell(None)
        self.control: Cell[bool] = Cell(True)
        self.loop = OutwardLoop(self.announcer, HealthServer(), self.kernel, control=self.control)

    def show(self, newest: Numbered, *, in_force: bool = True) -> None:
        self.views.put(newest)
        if in_force:
            self.kernel.put(Outcome(number=newest.number))

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(4000):
            if await holds():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(self.announcer.told, self.loop.outcome.value)

    async def held(self, *addresses: str) -> None:
        async def holds() -> bool:
            return await self.announcer.owned() == addresses

        await self.until(holds)

    async def shown(self, number: int) -> None:
        async def holds() -> bool:
            return self.loop.outcome.value.number == number

        await self.until(holds)


def play(scene: Callable[[Scene], Awaitable[None]], *before: str) -> None:
    """The loop runs during the scene; an earlier agent holds the addresses `before`."""

    async def main() -> None:
        made = Scene()
        await made.announcer.hold(frozenset(before))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(made.loop.run(made.views))
            await scene(made)
            running.cancel()

    asyncio.run(main())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outward, "REPEATS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(outward, "RENEW_SECONDS", 0.01)


def test_an_address_is_taken_once_its_rules_are_in_force_and_told_several_times() -> None:
    async def scene(made: Scene) -> None:
        made.show(numbered(1), in_force=True)
        await made.shown(1)
        made.show(numbered(2, HERE), in_force=False)
        await asyncio.sleep(0.03)
        assert await made.announcer.owned() == ()
        made.kernel.put(Outcome(number=2))
        await made.held(HERE)

        async def told() -> bool:
            return made.announcer.told == [HERE] * 3

        await made.until(told)

    play(scene)


def test_an_address_is_given_up_before_the_kernel_has_followed() -> None:
    async def scene(made: Scene) -> None:
        made.show(numbered(1, HERE))
        await made.held(HERE)
        made.show(numbered(2), in_force=False)
        await made.held()
        assert made.loop.outcome.value.number == 1

    play(scene)


def test_an_address_that_no_link_can_carry_is_a_problem_of_its_service() -> None:
    async def scene(made: Scene) -> None:
        made.show(numbered(1, HERE, AWAY))
        await made.shown(1)
        assert await made.announcer.owned() == (HERE,)
        found = made.loop.outcome.value
        assert list(found.failed) == [f"announce/{AWAY}"]
        assert found.origins == {
            WEB: f"{AWAY}: it lies in no subnet of this node's links, so no neighbour is told of it"
        }
        made.show(numbered(2, HERE))
        await made.shown(2)
        assert made.loop.outcome.value == Outcome(number=2)

    play(scene)


def test_what_an_earlier_agent_held_is_kept_until_it_is_known_better() -> None:
    async def scene(made: Scene) -> None:
        await asyncio.sleep(0.02)
        assert await made.announcer.owned() == (HERE,)
        made.show(numbered(1, HERE), in_force=False)
        await asyncio.sleep(0.02)
        assert await made.announcer.owned() == (HERE,)
        made.show(numbered(2), in_force=False)
        await made.held()

    play(scene, HERE)


def test_an_address_that_another_node_announces_is_defended_while_control_says_that_it_is_ours() -> None:
    async def scene(made: Scene) -> None:
        made.show(numbered(1, HERE))
        await made.held(HERE)

        async def told_at_first() -> bool:
            return made.announcer.told == [HERE] * 3

        await made.until(told_at_first)
        made.announcer.told.clear()
        made.announcer.hear(HERE)

        async def told() -> bool:
            return made.announcer.told == [HERE]

        await made.until(told)
        made.announcer.hear(HERE)
        await asyncio.sleep(0.05)
        assert await told(), "not once more so soon"
        assert await made.announcer.owned() == (HERE,)
        assert list(made.loop.outcome.value.failed) == [f"contested/{HERE}"]

    play(scene)


def test_without_control_it_is_yielded_until_control_is_heard_again() -> None:
    async def scene(made: Scene) -> None:
        made.show(numbered(1, HERE))
        await made.held(HERE)
        made.control.put(False)
        await asyncio.sleep(0.03)
        assert await made.announcer.owned() == (HERE,), "control alone away changes nothing"
        made.announcer.hear(HERE)
        await made.held()
        made.control.put(True)
        await made.held(HERE)

    play(scene)


def test_a_refusal_is_told_and_tried_again() -> None:
    async def scene(made: Scene) -> None:
        made.show(numbered(1))
        await made.shown(1)
        made.announcer.fail_next(DriverError("busy"))
        made.show(numbered(2, HERE))

        async def failed() -> bool:
            return "announce" in made.loop.outcome.value.failed

        await made.until(failed)
        await made.held(HERE)
        await made.shown(2)
        assert made.loop.outcome.value.failed == {}

    play(scene)


def test_health_follows_what_the_kernel_says() -> None:
    async def scene(made: Scene) -> None:
        seen: list[bool] = []

        class Watching(HealthServer):
            async def serve(self, checks: object, *, healthy: bool) -> dict[str, str]:
                del checks
                seen.append(healthy)
                return {}

        made.loop = OutwardLoop(made.announcer, Watching(), made.kernel, control=made.control)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(made.loop.run(made.views))
            made.show(numbered(1))
            await made.shown(1)
            made.kernel.put(Outcome(number=1, failed={"kernel": "no"}))

            async def over() -> bool:
                return not seen[-1]

            await made.until(over)
            running.cancel()
        assert seen[0] is True

    play(scene)
