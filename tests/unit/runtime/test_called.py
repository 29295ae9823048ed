"""What control is told of names of containers, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from tandem.base.cell import Cell
from tandem.base.ids import ContainerId
from tandem.ir.node import AttachedPod, NodeView
from tandem.runtime.called import Called
from tandem.runtime.reports import Reports
from tandem.runtime.views import Numbered, Views
from unit.compile.dns.dnsview import SHOP
from unit.podnet.playground import local_pod


def named(*aliases: str) -> NodeView:
    pod = AttachedPod(
        pod=local_pod(),
        container_id=ContainerId("c"),
        addresses=("10.244.0.9",),
        host_ifname="",
        netns="/n",
        aliases=aliases,
    )
    return msgspec.structs.replace(SHOP, pods=(pod,))


class Lab:
    def __init__(self) -> None:
        self.reports = Reports()
        self.sent = Cell(0)
        self.called = Called(self._send)
        self.views: Views = Cell(None)

    def _send(self, payload: bytes) -> None:
        self.reports.add("n", payload)
        self.sent.put(self.sent.value + 1)

    def play(self, *steps: tuple[Callable[[], object], int]) -> None:
        """Each step, then wait until so many reports were sent in all."""

        async def run() -> None:
            async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self.called.run(self.views))
                for act, wanted in steps:
                    act()
                    while self.sent.value < wanted:
                        await self.sent.after(self.sent.version)
                running.cancel()

        asyncio.run(run())

    def view(self, view: NodeView) -> Callable[[], object]:
        return lambda: self.views.put(Numbered(number=self.views.version + 1, view=view))


def test_what_changes_is_told_once_and_again_to_a_new_control() -> None:
    lab = Lab()
    seen: list[dict[str, tuple[tuple[str, str], ...]]] = []
    lab.play(
        (lab.called.again, 0),
        (lab.view(named("db.tandem")), 1),
        (lambda: seen.append(lab.reports.names.copy()), 1),
        (lab.view(named("db.tandem")), 1),
        (lab.view(named("web.tandem")), 2),
        (lab.called.again, 3),
    )
    assert lab.sent.value == 3, "an equal view is no news"
    assert seen == [{"n": (("db.tandem", "10.244.0.9"),)}]
    assert lab.reports.names == {"n": (("web.tandem", "10.244.0.9"),)}


def test_that_nothing_is_left_is_told_too() -> None:
    lab = Lab()
    lab.play((lab.view(named("db.tandem")), 1), (lab.view(SHOP), 2))
    assert lab.reports.names == {"n": ()}
    assert lab.called.problems() == ()


def test_names_for_which_there_is_no_room_are_a_problem_of_the_node() -> None:
    lab = Lab()
    lab.play((lab.view(named(*(f"n{number:05}.tandem" for number in range(10_000)))), 1))
    left = 10_000 - len(lab.reports.names["n"])
    assert left > 0
    assert lab.called.problems() == (f"{left} names of containers are known on this node only: there are too many",)
