"""The World as translation reads it: an object of which only the conditions changed is the one that it was before.

Control writes conditions into thousands of objects, and each comes back as an event: nothing is done anew for it. Nor
is it for an event of what is not read at all, as the heartbeat of a Node is.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tandem.base.table import changes
from tandem.model.backendtls import PolicyStatus
from tandem.model.gateway import RouteStatus
from tandem.model.listenersets import ListenerSetStatus
from tandem.model.meta import Status
from tandem.model.world import World

_CONDITIONS: Final = (Status, RouteStatus, ListenerSetStatus, PolicyStatus)
"""What statuses hold that nobody reads who translates: conditions, counts and the like."""


class Settled:
    """One for each translation that goes on from World to World."""

    def __init__(self) -> None:
        self._before = World()
        self._settled = World()

    def of(self, now: World) -> World:
        """`now`, at the cost of what differs from the World before."""
        before, self._before = self._before, now
        settled = self._settled
        for kind in sorted({*before.kinds, *now.kinds}):
            known = settled.table(kind)
            differing = changes(before.table(kind), now.table(kind))
            changed = {key: new for key, (_, new) in differing.items() if not _same(known.get(key), new)}
            if changed:
                settled = settled.with_changes(kind, changed, synced=now.synced)
        self._settled = settled
        return settled


def _same(known: Any, new: Any) -> bool:
    """Nothing differs but the conditions, and the version that each change gives."""
    if new is None or known is None:
        return False
    replace = msgspec.structs.replace
    meta = replace(new.metadata, resource_version=known.metadata.resource_version)
    status = getattr(known, "status", None)
    if isinstance(status, _CONDITIONS):
        return bool(replace(new, metadata=meta, status=status) == known)
    return bool(replace(new, metadata=meta) == known)
