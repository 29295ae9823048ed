"""Between stages lies the newest value, not a queue."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Waiter = asyncio.Future[None]


class Cell(Generic[T]):
    """Holds one value; readers wait for a newer one and skip what was superseded. An equal value wakes nobody."""

    def __init__(self, value: T) -> None:
        self._value = value
        self._version = 0
        self._waiters: set[Waiter] = set()

    @property
    def value(self) -> T:
        """The newest value."""
        return self._value

    @property
    def version(self) -> int:
        """Grows by one with each value that differed from the one before."""
        return self._version

    def put(self, value: T) -> bool:
        """Store `value`; True if it differed and readers were woken."""
        if value is self._value or value == self._value:
            return False
        self._value = value
        self._version += 1
        for waiter in self._waiters:
            _settle(waiter)
        self._waiters = set()
        return True

    def wake(self, waiter: Waiter) -> None:
        """Settle `waiter` when there is a newer value."""
        self._waiters.add(waiter)

    def spare(self, waiter: Waiter) -> None:
        """Wake it no more."""
        self._waiters.discard(waiter)

    async def after(self, seen: int) -> tuple[int, T]:
        """The newest version and value, as soon as the version is greater than `seen` (-1: at once)."""
        while self._version <= seen:
            await any_newer((self, seen))
        return self._version, self._value


async def any_newer(*seen: tuple[Cell[Any], int], seconds: float | None = None) -> None:
    """Return as soon as one of these cells has a version greater than the one beside it, or after so long.

    Others have their turn meanwhile, also where one is newer already. One future for all: many loops wait in this way
    for each view, and a task for each cell cost more than what some of them do.
    """
    if any(cell.version > version for cell, version in seen):
        await asyncio.sleep(0)
        return
    loop = asyncio.get_running_loop()
    waiter: Waiter = loop.create_future()
    timer = loop.call_later(seconds, _settle, waiter) if seconds is not None else None
    for cell, _ in seen:
        cell.wake(waiter)
    try:
        await waiter
    finally:
        for cell, _ in seen:
            cell.spare(waiter)
        if timer is not None:
            timer.cancel()


def _settle(waiter: Waiter) -> None:
    if not waiter.done():
        waiter.set_result(None)
