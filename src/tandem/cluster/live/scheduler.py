"""`schedule` from World to World: looks at pods without a node alone, and what pods have of each node is kept up."""

from __future__ import annotations

from collections.abc import Mapping

from tandem.base.table import changes
from tandem.cluster.occupied import Occupied, claims
from tandem.cluster.scheduler import assign, waits
from tandem.cluster.writes import Patch
from tandem.model import core
from tandem.model.world import Key, World


class LiveScheduler:
    """Its results do not depend on the Worlds between."""

    def __init__(self) -> None:
        self._before = World()
        self._waiting: dict[Key, core.Pod] = {}
        self._occupied = Occupied()
        self._rest: Mapping[Key, core.Node] | None = None
        """The nodes beside which nothing was to be written of the pods that wait, while no port of a node came free."""

    def update(self, now: World, *, at: float) -> tuple[Patch, ...]:
        """Everything that is to be written in this World, at this moment."""
        before, self._before = self._before, now
        for key, (old, new) in changes(before.all(core.Pod), now.all(core.Pod)).items():
            if self._waiting.pop(key, None) is not None:
                self._rest = None
            if old is not None:
                self._occupied.remove(old)
                if claims(old):
                    self._rest = None
            if new is not None:
                self._occupied.add(new)
            if new is not None and waits(new):
                self._waiting[key], self._rest = new, None
        nodes = now.all(core.Node)
        if not self._waiting or nodes is self._rest:
            return ()
        pods = [self._waiting[key] for key in sorted(self._waiting)]
        writes = assign(now, pods, self._occupied.copy(), now=at)
        self._rest = nodes if not writes else None
        return writes
