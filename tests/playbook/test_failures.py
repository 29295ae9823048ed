"""Each call of a verb to journal, kernel and node fails once, fails from then on, or is the agent's last.

The calls are counted, not listed. `tests/netns/test_kill_sweep.py` does the same to a real agent, by system calls.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import pytest

from tandem.base.problems import DriverError
from tandem.podnet.leaving import Leaving
from tandem.podnet.request import VerbError
from tandem.podnet.undoing import Undoing
from unit.podnet.playground import CONFIG, NETNS, SETTINGS, Killed, Playground, behind_another_plugin, request
from unit.podnet.test_previous import RESULT

CHANGES: Final = frozenset(
    {"add", "update", "pin", "unpin", "create", "open", "cut", "remove_all", "sweep_pods", "prepare", "restore"}
)
NODE: Final = frozenset({"attached", "detached"})
Play = Callable[[Playground, "Steps"], Awaitable[None]]


class Steps:
    """Counts the calls that change something; from number `first` on, `count` of them end with an error."""

    def __init__(self, first: int, count: float, error: type[BaseException], *, after: bool = False) -> None:
        self.made = 0
        self.done = False
        self._first = first
        self._count = count
        self._error = error
        self._after = after

    def over(self, target: Any) -> Any:
        """The same object, with its calls counted."""
        return _Counted(target, self)

    def begin(self) -> None:
        """Count from here on."""
        self.made, self.done = 0, False

    def call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        self.made += 1
        fails = not self.done and 0 <= self.made - 1 - self._first < self._count
        if inspect.iscoroutinefunction(method):
            return self._later(method, arguments, fails=fails)
        if fails:
            raise self._error("refused")
        return method(*arguments)

    async def _later(self, method: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...], *, fails: bool) -> Any:
        if fails and not self._after:
            raise self._error("refused")
        result = await method(*arguments)
        if fails:
            raise self._error("refused")
        return result

    @property
    def reached(self) -> bool:
        return self.made > self._first


class _Counted:
    def __init__(self, target: Any, steps: Steps) -> None:
        self._target = target
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        changes = name in CHANGES | NODE or (name == "remove" and inspect.iscoroutinefunction(method))
        return (lambda *a: self._steps.call(method, *a)) if changes else method


def arm(ground: Playground, steps: Steps) -> None:
    """A new agent whose every call is counted."""
    ground.restart()
    journal, links, node = steps.over(ground.journal), steps.over(ground.links), steps.over(ground.node)
    ground.verbs = type(ground.verbs)(journal, links, steps.over(ground.foreign), node=node, settings=SETTINGS)
    ground.verbs.undoing.leaving = Leaving(journal, links, node, gather_seconds=0.0)


def sweep(play: Play, new: Callable[[int], Steps]) -> int:
    """`play` for each step until it is over before the step is reached; how many there were."""
    for first in itertools.count():
        steps, ground = new(first), Playground()

        async def main(ground: Playground = ground, steps: Steps = steps) -> None:
            arm(ground, steps)
            async with asyncio.TaskGroup() as tasks:
                background = tasks.create_task(_background(ground.verbs.undoing))
                await play(ground, steps)
                background.cancel()

        asyncio.run(main())
        if not steps.reached:
            return first
    raise AssertionError


async def _background(undoing: Undoing) -> None:
    try:
        await undoing.run()
    except* Killed:
        pass


async def tried(ground: Playground, verb: str, **change: Any) -> int:
    """The code of a verb, 0 for success."""
    try:
        await ground.verbs.run(request(verb, **change))
    except VerbError as error:
        return int(error.code)
    return 0


FOREVER: Final = float("inf")


@pytest.mark.parametrize("count", [1, FOREVER], ids=["once", "from then on"])
def test_an_add_that_fails_at_any_call_is_try_again_and_del_leaves_nothing(count: float) -> None:
    async def play(ground: Playground, steps: Steps) -> None:
        code = await tried(ground, "ADD")
        assert code == (11 if steps.reached else 0)
        assert not (code and count == 1) or ground.is_clean()
        steps.done = True
        await ground.delete()
        await ground.delete()
        assert ground.is_clean()
        result = await ground.add()
        await ground.check(result)

    assert sweep(play, lambda first: Steps(first, count, DriverError)) >= 6


@pytest.mark.parametrize("count", [1, FOREVER], ids=["once", "from then on"])
def test_a_del_that_fails_at_any_call_is_finished_by_the_next(count: float) -> None:
    async def play(ground: Playground, steps: Steps) -> None:
        steps.done = True
        await ground.add()
        steps.begin()
        assert await tried(ground, "DEL") in {0, 11}
        if not steps.reached:
            await asyncio.sleep(0.01)
        steps.done = True
        await ground.delete()
        await ground.delete()  # the first may leave something to the background
        assert ground.is_clean()

    assert sweep(play, lambda first: Steps(first, count, DriverError)) >= 5


def test_a_gc_that_fails_at_any_call_is_finished_by_the_next() -> None:
    config: dict[str, Any] = CONFIG | {"cni.dev/valid-attachments": []}

    async def play(ground: Playground, steps: Steps) -> None:
        steps.done = True
        await ground.add()
        steps.begin()
        assert await tried(ground, "GC", config=config) in {0, 11}
        steps.done = True
        assert await tried(ground, "GC", config=config) == 0
        assert ground.is_clean()

    assert sweep(play, lambda first: Steps(first, 1, DriverError)) >= 4


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_an_agent_that_dies_at_any_call_recovers(verb: str, *, after: bool) -> None:
    async def play(ground: Playground, steps: Steps) -> None:
        if verb == "DEL":
            steps.done = True
            await ground.add()
            steps.begin()
        with suppress(Killed):
            await ground.verbs.run(request(verb))
            await asyncio.sleep(0.01)
        ground.restart()
        assert await ground.verbs.recover() == ()
        await ground.delete()
        assert ground.is_clean()
        await ground.check(await ground.add())

    assert sweep(play, lambda first: Steps(first, 1, Killed, after=after)) >= 4


CHAINED: Final[dict[str, Any]] = CONFIG | {"name": "mynet", "chained": True, "prevResult": RESULT}


async def leave(ground: Playground) -> None:
    """The first DEL waits for the other plugin's link to go, the second does not."""
    for _ in range(2):
        await ground.delete(config=CHAINED)


@pytest.mark.parametrize("count", [1, FOREVER], ids=["once", "from then on"])
@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_behind_another_plugin_a_verb_that_fails_at_any_call_is_finished_by_a_del(verb: str, count: float) -> None:
    async def play(ground: Playground, steps: Steps) -> None:
        behind_another_plugin(ground)
        if verb == "DEL":
            steps.done = True
            await ground.add(config=CHAINED)
            steps.begin()
        code = await tried(ground, verb, config=CHAINED)
        assert code == (11 if steps.reached else 0) or verb == "DEL"
        if verb == "DEL":
            await tried(ground, verb, config=CHAINED)
        steps.done = True
        await leave(ground)
        assert ground.is_clean()
        assert not ground.foreign.spaces[NETNS].prepared
        await ground.add(config=CHAINED)

    assert sweep(play, lambda first: Steps(first, count, DriverError)) >= 4


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_behind_another_plugin_an_agent_that_dies_at_any_call_recovers(verb: str, *, after: bool) -> None:
    async def play(ground: Playground, steps: Steps) -> None:
        behind_another_plugin(ground)
        if verb == "DEL":
            steps.done = True
            await ground.add(config=CHAINED)
            steps.begin()
        with suppress(Killed):
            for _ in range(2 if verb == "DEL" else 1):
                await ground.verbs.run(request(verb, config=CHAINED))
        ground.restart()
        assert await ground.verbs.recover() == ()
        await leave(ground)
        assert ground.is_clean()
        assert not ground.foreign.spaces[NETNS].prepared

    assert sweep(play, lambda first: Steps(first, 1, Killed, after=after)) >= 4
