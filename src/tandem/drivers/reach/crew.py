"""Leads the workers: one process in each place, told what to serve and whom to ask; all of them at once.

In: for each place the command line that gets a program into it. Out: outcomes of questions, in the order asked. The
processes end with the block, in every case: a worker ends with its stdin.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from tandem.base.groups import first_of
from tandem.base.problems import DriverError
from tandem.drivers.reach import worker

T = TypeVar("T")

SOURCE: Final = Path(worker.__file__)
HERE: Final = (sys.executable, "-I", "-S", str(SOURCE))
"""A worker on this machine."""
_LIMIT: Final = 1 << 26
_STARTING: Final = 30.0
_MARGIN: Final = 15.0
_ENDING: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a worker runs: `name` is what its servers answer with, `argv` the whole command line."""

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One question: may a packet of `protocol` get to this address and port?"""

    protocol: str
    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it (`drivers/reach/worker.py` has the outcomes); `who` is the server's name if it said one."""

    outcome: str
    detail: str = ""


@dataclass(slots=True)
class _Worker:
    place: Place
    process: asyncio.subprocess.Process
    taken: frozenset[tuple[str, int]] = frozenset()
    raw: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Crew:
    """Workers that run."""

    def __init__(self, workers: Mapping[str, _Worker]) -> None:
        self._workers = workers

    @property
    def taken(self) -> Mapping[str, frozenset[tuple[str, int]]]:
        """By place, the ports on which somebody else listens."""
        return {name: w.taken for name, w in self._workers.items()}

    @property
    def raw(self) -> bool:
        """Whether SCTP is made by hand somewhere."""
        return any(w.raw for w in self._workers.values())

    async def serve(self, ports: Mapping[str, Sequence[tuple[str, int]]]) -> None:
        """Listen in each place on these (protocol, port), where nobody does."""
        await _all(self._serve(self._workers[name], wanted) for name, wanted in ports.items())

    async def ask(
        self, targets: Mapping[str, Sequence[Target]], *, seconds: float, width: int
    ) -> dict[str, tuple[Answer, ...]]:
        """From every place at once; `width` questions of each are open at a time, each for `seconds`."""
        names = [name for name, wanted in targets.items() if wanted]
        found = await _all(self._ask(self._workers[n], targets[n], seconds=seconds, width=width) for n in names)
        return dict(zip(names, found, strict=True))

    async def _serve(self, one: _Worker, ports: Sequence[tuple[str, int]]) -> None:
        answer = await _order(one, {"serve": [list(p) for p in ports], "name": one.place.name}, _STARTING)
        one.taken = frozenset((protocol, port) for protocol, port in answer["taken"])
        one.raw = bool(answer["raw"])

    async def _ask(self, one: _Worker, targets: Sequence[Target], *, seconds: float, width: int) -> tuple[Answer, ...]:
        rounds = -(-len(targets) // width)
        order = {"ask": [[t.protocol, t.address, t.port] for t in targets], "seconds": seconds, "width": width}
        answer = await _order(one, order, rounds * seconds + _MARGIN)
        return tuple(Answer(outcome=outcome, detail=detail) for outcome, detail in answer["answers"])


@asynccontextmanager
async def crew(places: Iterable[Place]) -> AsyncIterator[Crew]:
    """Start a worker in each place; raises DriverError where one cannot be."""
    workers: dict[str, _Worker] = {}
    try:
        await _all(_start(place, workers) for place in places)
        yield Crew(workers)
    finally:
        for one in workers.values():
            _kill(one.process)
        for one in workers.values():
            await one.process.wait()


async def _all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All at once; of several failures the first is raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one) for one in work]
    except BaseExceptionGroup as group:  # what is raised in an `except*` may be put into a group again
        raise first_of(group) from None
    return [task.result() for task in running]


async def _start(place: Place, workers: dict[str, _Worker]) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            *place.argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LIMIT,
        )
    except OSError as err:
        raise DriverError(f"{place.name}: {place.argv[0]}: {err.strerror}") from err
    workers[place.name] = _Worker(place=place, process=process)


async def _order(one: _Worker, order: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    process = one.process
    assert process.stdin is not None  # noqa: S101 - asked for
    assert process.stdout is not None  # noqa: S101
    async with one.lock:
        try:
            async with asyncio.timeout(seconds):
                process.stdin.write(json.dumps(order).encode() + b"\n")
                await process.stdin.drain()
                line = await process.stdout.readline()
        except (TimeoutError, ConnectionError):
            line = b""
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError as err:
            raise DriverError(f"{one.place.name}: the probe does not answer: {await _last_words(process)}") from err
        return answer


async def _last_words(process: asyncio.subprocess.Process) -> str:
    with suppress(TimeoutError):
        async with asyncio.timeout(_ENDING):
            await process.wait()
    _kill(process)
    assert process.stderr is not None  # noqa: S101 - asked for
    text = (await process.stderr.read()).decode("utf-8", "replace").strip()
    return text.splitlines()[-1] if text else f"it ended with {await process.wait()}"


def _kill(process: asyncio.subprocess.Process) -> None:
    """By its pid: `kill` of the process object would take its exit status from who waits for it."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
