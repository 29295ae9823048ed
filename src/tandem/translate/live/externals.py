"""Hosts of ServiceEntries beside the Services of the newest World, at the cost of what changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Generic, TypeVar

from tandem.base.table import Table
from tandem.ir import fabric
from tandem.model.kept import Kept
from tandem.model.world import World
from tandem.translate.externals import Externals, selects_workloads, translate_externals
from tandem.translate.live.problems import Gathered
from tandem.translate.options import Options

V = TypeVar("V")
_NOBODY: Final[Mapping[str, fabric.LocalPod]] = {}


class LiveExternals:
    """`update`, then `services` and `endpoints` with those of Services."""

    def __init__(self, options: Options, gathered: Gathered) -> None:
        self._options = options
        self._gathered = gathered
        self._translate = Kept(translate_externals)
        self._selects = Kept(selects_workloads)
        self.services: _Joined[fabric.Service] = _Joined()
        self.endpoints: _Joined[fabric.Endpoints] = _Joined()

    def update(self, now: World, pods: Mapping[str, fabric.LocalPod]) -> Externals:
        """Go on to this World, with its translated pods."""
        found = self._translate(now, pods if self._selects(now) else _NOBODY, self._options)
        self.services.put(found.services)
        self.endpoints.put(found.endpoints)
        self._gathered.tell((8, "externals"), found.problems)
        return found


class _Joined(Generic[V]):
    """Entries of its own laid over those of a table."""

    def __init__(self) -> None:
        self._own: Table[str, V] = Table()
        self._made: tuple[Table[str, V], Table[str, V], Table[str, V]] | None = None

    def put(self, own: Mapping[str, V]) -> None:
        """These are all of its own; what is equal stays the object that it was."""
        self._own = self._own.become(own)

    def over(self, table: Table[str, V]) -> Table[str, V]:
        """Both together; the very same object while neither changes."""
        if self._made is None or self._made[0] is not table or self._made[1] is not self._own:
            self._made = table, self._own, table.changed(self._own)
        return self._made[2]
