"""Tells control what runtimes call the containers of this node, so that every node answers it.

In: views. Out: a report when something of it is another one, and to each new control.
"""

from __future__ import annotations

from collections.abc import Callable

from tandem.compile.dns import own_names
from tandem.ir.names import Pair, told_of
from tandem.runtime.reports import Report, encode
from tandem.runtime.views import Views


class Called:
    """One per agent."""

    def __init__(self, report: Callable[[bytes], None]) -> None:
        self._report = report
        self._names: tuple[Pair, ...] | None = None
        self._told: tuple[Pair, ...] | None = None

    async def run(self, views: Views) -> None:
        """Until cancelled."""
        seen = -1
        while True:
            seen, newest = await views.after(seen)
            if newest is not None:
                self._names = own_names(newest.view)
                self._tell()

    def again(self) -> None:
        """Control is new; it may have been away while something changed."""
        self._told = None
        self._tell()

    def problems(self) -> tuple[str, ...]:
        """What the cluster is not told."""
        left = len(self._names or ()) - len(told_of(self._names or ()))
        return (f"{left} names of containers are known on this node only: there are too many",) if left else ()

    def _tell(self) -> None:
        if self._names is not None and self._names != self._told:
            self._told = self._names
            self._report(encode(Report(names=told_of(self._names))))
