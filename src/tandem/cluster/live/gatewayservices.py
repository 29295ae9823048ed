"""`serve_gateways` from World to World: again when a Gateway or what belongs to it is another, not for each Service."""

from __future__ import annotations

from tandem.base.table import changes
from tandem.cluster.gatewayservices import made_here, serve
from tandem.cluster.writes import Write
from tandem.model import core
from tandem.model.kept import Kept
from tandem.model.world import Key, World


class LiveGatewayServices:
    """Its results do not depend on the Worlds between."""

    def __init__(self) -> None:
        self._before = World()
        self._serve = Kept(serve)
        self._made: dict[Key, core.Service] = {}
        self._sorted: tuple[core.Service, ...] = ()

    def update(self, now: World) -> tuple[Write, ...]:
        """Everything that is to be written in this World."""
        before, self._before = self._before, now
        for key, (_, new) in changes(before.all(core.Service), now.all(core.Service)).items():
            was = self._made.pop(key, None)
            if new is not None and made_here(new):
                self._made[key] = new
            if was is not None or key in self._made:
                self._sorted = tuple(self._made[name] for name in sorted(self._made))
        return self._serve(now, self._sorted)
