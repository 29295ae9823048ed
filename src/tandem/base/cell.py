"""Between stages lies the newest value, not a queue."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Cell(Generic[T]):
    """Holds one value; readers wait for a newer one and skip what was superseded. An equal value wakes nobody."""

    def __init__(self, value: T) -> None:
        self._value = value
        self._version = 0
        self._changed = asyncio.Event()

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
        self._changed.set()
        self._changed = asyncio.Event()
        return True

    async def after(self, seen: int) -> tuple[int, T]:
        """The newest version and value, as soon as the version is greater than `seen` (-1: at once)."""
        while self._version <= seen:
            await self._changed.wait()
        return self._version, self._value


async def any_newer(*seen: tuple[Cell[Any], int], seconds: float | None = None) -> None:
    """Return as soon as one of these cells has a version greater than the one beside it, or after so long."""
    async with asyncio.TaskGroup() as tasks:
        waits = {tasks.create_task(cell.after(version)) for cell, version in seen}
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
