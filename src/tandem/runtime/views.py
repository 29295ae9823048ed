"""The newest view of a node, for which each loop of the agent waits, and how far a loop has come with it.

In: views with their numbers. Out: the newest one, to each loop in its turn, and outcomes. Nothing queues: what was
superseded is skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tandem.base.cell import Cell, any_newer
from tandem.base.problems import Origin
from tandem.ir.node import NodeView

SILENT: Final = "envoy"
"""Among what failed: Envoy has not answered in time, so that nothing is known of what it has in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """A view and the number of the slice and attachments that it was made of."""

    number: int
    view: NodeView


Views = Cell[Numbered | None]
LATER_SECONDS: Final = 0.02
"""For loops that nobody waits for: a pod that starts brings several views, each while others need the CPU."""


class Newest:
    """The newest view of a node: at once for those whom ADD, DEL and control wait for, in a moment for all others."""

    def __init__(self) -> None:
        self.foremost: Views = Cell(None)
        """For the loop of the kernel, for which everybody waits: it begins before any other."""
        self.awaited: Views = Cell(None)
        """For the loops whose outcome somebody waits for, and for whoever asks."""
        self.views: Views = Cell(None)
        """For all others."""

    async def put(self, newest: Numbered) -> None:
        """There is a newer one."""
        self.foremost.put(newest)
        await asyncio.sleep(0)
        self.awaited.put(newest)

    async def run(self) -> None:
        """Hand on to those who can wait; until cancelled."""
        seen = 0
        while True:
            await self.awaited.after(seen)
            await asyncio.sleep(LATER_SECONDS)
            seen, newest = await self.awaited.after(seen)
            self.views.put(newest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The newest view that a loop has worked through; `failed` by what could not be put in force."""

    number: int = 0
    failed: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[Origin, str] = field(default_factory=dict)
    """Manifests that Envoy refuses, with its words."""


async def newest_of(
    views: Views, seen: int, *beside: tuple[Cell[Any], int], retry: float | None
) -> tuple[int, Numbered]:
    """Version and value of the newest view: when it is new, when one of `beside` is, or (to try again) after so long.

    Before there is a first view, that is waited for.
    """
    await any_newer((views, seen), *beside, seconds=retry)
    while (newest := views.value) is None:
        await views.after(views.version)
    return views.version, newest
