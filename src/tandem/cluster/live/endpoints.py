"""`publish_endpoints` from World to World: of Services that changed, or of which a pod did, and of slices that did."""

from __future__ import annotations

from tandem.base.table import changes
from tandem.cluster.endpoints import Slices, has_endpoint, places_of, selects, slices_of, writes_of
from tandem.cluster.live.labelled import Labelled
from tandem.cluster.writes import Write
from tandem.model import core
from tandem.model.kept import Kept
from tandem.model.selected import Selected
from tandem.model.world import Key, World


class LiveEndpoints:
    """Its results do not depend on the Worlds between."""

    def __init__(self) -> None:
        self._before = World()
        self._read_places = Kept(places_of)
        self._places = places_of(World())
        self._selected = Selected()
        self._pods = Labelled()
        self._slices: dict[Key, Slices] = {}
        """By Service."""
        self._wanted: Slices = {}
        self._writes: dict[Key, tuple[Write, ...]] = {}
        """By slice, where it is not what is wanted."""

    def update(self, now: World) -> tuple[Write, ...]:
        """Everything that is to be written in this World."""
        before, self._before = self._before, now
        touched = self._changed_pods(before, now)
        for key, (_, service) in changes(before.all(core.Service), now.all(core.Service)).items():
            self._selected.drop(key)
            touched.add(key)
            if service is not None and selects(service):
                self._selected.put(service)
        places, self._places = self._places, self._read_places(now)
        if places != self._places:
            touched |= self._slices.keys()
        stale = set(changes(before.all(core.EndpointSlice), now.all(core.EndpointSlice)))
        for key in touched:
            stale |= self._reconsider(now, key)
        for key in stale:
            writes = writes_of(self._wanted.get(key), now.get(core.EndpointSlice, *key))
            self._writes.pop(key, None)
            if writes:
                self._writes[key] = writes
        ordered = sorted(self._writes, key=lambda key: (key in self._wanted, key))
        return tuple(write for key in ordered for write in self._writes[key])

    def _changed_pods(self, before: World, now: World) -> set[Key]:
        """The Services, as they were, that select a pod as it was or is."""
        touched: set[Key] = set()
        for old, new in changes(before.all(core.Pod), now.all(core.Pod)).values():
            if old is not None:
                self._pods.drop(old)
                touched.update(service.key for service in self._selected.of(old))
            if new is not None and has_endpoint(new):
                self._pods.put(new)
                touched.update(service.key for service in self._selected.of(new))
        return touched

    def _reconsider(self, now: World, key: Key) -> set[Key]:
        """The slices of a Service, as they were and as they are to be."""
        service, before = now.get(core.Service, *key), self._slices.pop(key, {})
        for name in before:
            self._wanted.pop(name, None)
        if service is None or not selects(service):
            return set(before)
        pods = self._pods.chosen(key[0], service.spec.selector)
        self._slices[key] = slices_of(service, pods, self._places)
        self._wanted.update(self._slices[key])
        return before.keys() | self._slices[key].keys()
