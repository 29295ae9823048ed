"""The connections of a pod that ends: whoever is at their other ends hears of it while the link still carries words.

In: the namespace of a pod whose processes have ended. Out: no connection is open in it, as far as the kernel can close
them. Envoy's sockets in there outlive the pod's processes: cut off without a word, their other ends would wait for
answers until TCP gives up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Final

from tandem.base.problems import DriverError
from tandem.drivers.envoy.sockets import abort_open, has_open

LAST_WORDS_SECONDS: Final = 0.05
"""So long Envoy has to answer what its application, which is gone, has left unanswered."""


async def hang_up(netns: str) -> None:
    """Reset what is still open after Envoy's last words; at once where nothing is, or the namespace has gone."""
    if await _is_open(netns):
        await asyncio.sleep(LAST_WORDS_SECONDS)
        with suppress(DriverError):
            await asyncio.to_thread(abort_open, netns)


async def cut_short(netns: Collection[str]) -> None:
    """Reset what is open in these namespaces, without a word: their pods are about to be closed."""
    for one in netns:
        with suppress(DriverError):
            await asyncio.to_thread(abort_open, one)


async def _is_open(netns: str) -> bool:
    with suppress(DriverError):
        return await asyncio.to_thread(has_open, netns)
    return False
