"""Turns: steps of one container never overlap, those of different containers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tandem.base.ids import ContainerId


class Turns:
    """One lock for each container that somebody is busy with; it is forgotten with its last user."""

    def __init__(self) -> None:
        self._busy: dict[ContainerId, tuple[asyncio.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._busy)

    def is_busy(self, container_id: ContainerId) -> bool:
        """Whether somebody is busy with this container, or waits for that."""
        return container_id in self._busy

    @asynccontextmanager
    async def of(self, container_id: ContainerId) -> AsyncIterator[None]:
        """Within, nobody else is busy with this container."""
        lock, users = self._busy.get(container_id, (asyncio.Lock(), 0))
        self._busy[container_id] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._busy[container_id]
            if users == 1:
                del self._busy[container_id]
            else:
                self._busy[container_id] = (lock, users - 1)
