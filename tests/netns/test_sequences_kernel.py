"""However a state is reached, the kernel's tables are the same: what a history leaves is what a jump to its end makes.

Compared is all that the kernel lists, without handles and numbers of counters, and with what has no order sorted.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netns.podlab import lab
from nodeviews import view_of
from property.worlds import NAMES, histories, replays
from tandem.base.cell import Cell
from tandem.base.clock import SystemClock
from tandem.base.netns import in_netns
from tandem.compile.nft.node import compile_nft
from tandem.drivers.link.fake import FakeLinks
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.drivers.nft.watch import KernelWatch
from tandem.ir.node import NodeView
from tandem.model.world import World
from tandem.runtime.drift import Drift
from tandem.runtime.enforce import KernelLoop
from tandem.runtime.views import Numbered, Views
from tandem.state.ownership import NODE_TABLES, SHUT_TABLE

pytestmark = pytest.mark.root

EMPTY = view_of(World.of(()))
VOLATILE = frozenset({"handle", "packets", "bytes", "expires"})
UNORDERED = frozenset({"elem", "set", "flags", "right"})


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[str, str]]:
    """Two empty namespaces: in the one history happens, in the other only its end."""
    with lab() as spaces:
        yield spaces.add("history"), spaces.add("end")


def listed(netns: str) -> list[str]:
    """All that the kernel has, in a form in which equal states are equal."""
    text = in_netns(netns, lambda: subprocess.run(["nft", "-j", "list", "ruleset"], check=True, capture_output=True))
    objects = [o for o in json.loads(text.stdout)["nftables"] if "metainfo" not in o]
    rules: dict[str, list[str]] = {}
    others: list[str] = []
    for obj in objects:
        plain = json.dumps(_plain(obj), sort_keys=True)
        if "rule" in obj:
            rules.setdefault(f"{obj['rule']['table']} {obj['rule']['chain']}", []).append(plain)
        else:
            others.append(plain)
    return [*sorted(others), *(line for chain in sorted(rules) for line in rules[chain])]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _ordered(_plain(v)) if k in UNORDERED else _plain(v) for k, v in value.items() if k not in VOLATILE}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _ordered(value: Any) -> Any:
    return sorted(value, key=lambda v: json.dumps(v, sort_keys=True)) if isinstance(value, list) else value


def wipe(*netns: str) -> None:
    for each in netns:
        in_netns(each, lambda: subprocess.run(["nft", "flush", "ruleset"], check=True))


def put(driver: Libnftables, view: NodeView) -> None:
    driver.apply(plan(driver.read(), compile_nft(view)))


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(histories(), st.data())
def test_a_history_leaves_what_a_jump_to_its_end_makes(
    places: tuple[str, str], history: list[World], data: st.DataObject
) -> None:
    views = [view_of(world, names=NAMES) for world in history]
    ways = replays(views, EMPTY)
    steps = ways[data.draw(st.sampled_from(sorted(ways)))]
    wipe(*places)
    slow, fast = (Libnftables(netns) for netns in places)
    for step in steps:
        put(slow, step)
    put(fast, steps[-1])
    assert listed(places[0]) == listed(places[1])


@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(histories())
def test_a_driver_that_begins_anew_half_way_leaves_the_same(places: tuple[str, str], history: list[World]) -> None:
    """As an agent does that was restarted: it knows nothing of what is there, and replaces it."""
    views = [view_of(world, names=NAMES) for world in history]
    wipe(*places)
    for view in views:
        put(Libnftables(places[0]), view)
    put(Libnftables(places[1]), views[-1])
    assert listed(places[0]) == listed(places[1])


def test_what_differs_is_seen(places: tuple[str, str]) -> None:
    """The comparison is worth something: one element more is a difference."""
    wipe(*places)
    for netns, elements in zip(places, ("1.1.1.1, 2.2.2.2", "2.2.2.2, 1.1.1.1"), strict=True):
        table = f"table inet t {{\n set s {{\n type ipv4_addr\n elements = {{ {elements} }}\n }}\n}}\n"
        in_netns(netns, lambda text=table: subprocess.run(["nft", "-f", "-"], input=text.encode(), check=True))  # type: ignore[misc]
    assert listed(places[0]) == listed(places[1])
    in_netns(places[0], lambda: subprocess.run(["nft", "add", "element", "inet", "t", "s", "{ 3.3.3.3 }"], check=True))
    assert listed(places[0]) != listed(places[1])


class Agent:
    """The loop that applies views, in a namespace and a thread of its own."""

    def __init__(self, netns: str) -> None:
        self._views: Views = Cell(None)
        self._loops: list[KernelLoop] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._number = 0
        self._thread = threading.Thread(target=lambda: in_netns(netns, lambda: asyncio.run(self._run())))
        self._thread.start()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        drift = Drift(KernelWatch(NODE_TABLES), Libnftables(table=SHUT_TABLE), SystemClock())
        bridge = Libnftables(family="bridge")
        loop = KernelLoop(Libnftables(), FakeLinks(), lambda _, __: None, segment=bridge, drift=drift)
        self._loops.append(loop)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = [tasks.create_task(drift.run()), tasks.create_task(loop.run(self._views))]

    def _wait(self, holds: Any) -> None:
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def show(self, view: NodeView, *, wait: bool) -> None:
        """The newest view; without waiting the loop may never see it."""
        self._wait(lambda: self._tasks and self._loops)
        assert self._loop is not None
        self._number += 1
        newest = Numbered(number=self._number, view=view)
        self._loop.call_soon_threadsafe(lambda: self._views.put(newest))
        if wait:
            self._wait(lambda: self._loops[0].outcome.value.number >= newest.number)
            assert not self._loops[0].outcome.value.failed

    def stop(self) -> None:
        assert self._loop is not None
        for task in self._tasks:
            self._loop.call_soon_threadsafe(task.cancel)
        self._thread.join()


@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(histories(), st.data())
def test_the_loop_of_the_agent_leaves_the_same_whatever_it_has_seen_of_a_history(
    places: tuple[str, str], history: list[World], data: st.DataObject
) -> None:
    views = [view_of(world, names=NAMES) for world in history]
    wipe(*places)
    agent = Agent(places[0])
    try:
        for view in views[:-1]:
            agent.show(view, wait=data.draw(st.booleans()))
        agent.show(views[-1], wait=True)
        found = listed(places[0])
    finally:
        agent.stop()
    other = Agent(places[1])
    try:
        other.show(views[-1], wait=True)
        wanted = listed(places[1])
    finally:
        other.stop()
    assert found == wanted
