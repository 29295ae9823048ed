"""How far the loops of an agent have come: waited for by ADD and DEL, and answered to control.

In: the outcomes of the loops that put views in force, and updates that are not answered yet. Out: an ACK once each loop
has worked through an update, or a NACK that names the resources which this agent or Envoy refuses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from tandem.base.cell import Cell, any_newer
from tandem.base.problems import DriverError
from tandem.ir import wire
from tandem.runtime.slice import Pending, Slice
from tandem.runtime.views import SILENT, Outcome

READY_TIMEOUT: Final = 15.0


class Control(Protocol):
    """Who is answered."""

    def ack(self, nonce: str) -> None:
        """All of the update is in force."""

    def nack(self, nonce: str, errors: Mapping[str, str]) -> None:
        """These resources of it are not, with the reason."""


class Progress:
    """One per agent."""

    def __init__(
        self, told: Slice, control: Control, *, kernel: Cell[Outcome], proxy: Cell[Outcome], guards: Cell[Outcome]
    ) -> None:
        self._slice = told
        self._control = control
        self._proxy = proxy
        self._outcomes = (kernel, proxy, guards)

    async def run(self) -> None:
        """Answer control once kernel, pods and Envoy have worked through what it sent."""
        seen = [-1 for _ in self._outcomes]
        while True:
            await any_newer(*zip(self._outcomes, seen, strict=True))
            seen = [outcome.version for outcome in self._outcomes]
            if SILENT in self._proxy.value.failed:
                continue
            done = min(outcome.value.number for outcome in self._outcomes)
            for pending in self._slice.due(done):
                self._answer(pending)

    def failures(self) -> tuple[str, ...]:
        """What kernel, pods and Envoy refuse, in their words."""
        return tuple(text for outcome in self._outcomes for text in outcome.value.failed.values())

    async def passed(self, number: int) -> None:
        """Wait until every loop has worked through view `number`, whatever was refused."""
        for outcome in self._outcomes:
            await in_force(outcome, number, ())

    def _answer(self, pending: Pending) -> None:
        errors = dict(pending.broken)
        refused = self._proxy.value.origins
        for name, value in pending.values.items() if refused else ():
            texts = [refused[o] for o in wire.origins(value) if o in refused]
            if texts:
                errors[name] = texts[0]
        if errors:
            self._control.nack(pending.nonce, errors)
        else:
            self._control.ack(pending.nonce)


async def in_force(outcome: Cell[Outcome], number: int, names_of: Iterable[str]) -> None:
    """Wait until a loop has worked through view `number`; raise DriverError with the first of these that failed."""
    try:
        async with asyncio.timeout(READY_TIMEOUT):
            seen, value = await outcome.after(-1)
            while value.number < number:
                seen, value = await outcome.after(seen)
    except TimeoutError:
        failed = "; ".join(outcome.value.failed.values()) or "no answer"
        raise DriverError(f"not in force after {READY_TIMEOUT:g} s: {failed}") from None
    for name in names_of:
        if name in value.failed:
            raise DriverError(f"{name}: {value.failed[name]}")
