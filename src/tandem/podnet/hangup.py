"""The connections of a pod that ends: whoever is at their other ends hears of it while the link still carries words.

In: the namespaces of pods that nobody knows any more. Out: no connection is open in them, as far as the kernel can
close them. Envoy's sockets in there outlive a pod's processes: cut off without a word, their other ends would wait for
answers until TCP gives up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

from tandem.base.problems import DriverError
from tandem.drivers.envoy.sockets import abort_open


async def cut_short(netns: Collection[str]) -> None:
    """Reset what is open in these namespaces, without a word: their pods are about to be closed."""
    for one in netns:
        with suppress(DriverError):
            await asyncio.to_thread(abort_open, one)
