"""World: every object that we know, as one frozen value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Final, TypeVar, cast

from tandem.base.table import Table
from tandem.model import core
from tandem.model.ipam import asks
from tandem.model.kinds import BY_KIND
from tandem.model.meta import Object

T = TypeVar("T", bound=Object)
Key = tuple[str, str]
Changes = Mapping[Key, tuple[Object | None, Object | None]]
"""Of one kind: key -> (object before, object now); None where there is none."""
_NONE: Mapping[Key, Object] = {}
_EMPTY: Table[Key, Any] = Table()
_SERVICE = "kubernetes.io/service-name"


class World:
    """Objects by kind and (namespace, name). Never changed after construction; `with_changes` makes a new one.

    `synced` is False until every kind was listed once: nothing may be swept or sent before.
    """

    def __init__(self, kinds: Mapping[str, Mapping[Key, Object]] | None = None, *, synced: bool = False) -> None:
        self._kinds: dict[str, Mapping[Key, Object]] = dict(kinds or {})
        self.synced = synced

    @classmethod
    def of(cls, objects: Iterable[Object]) -> World:
        """A synced World of these objects."""
        kinds: dict[str, dict[Key, Object]] = {}
        for obj in objects:
            kinds.setdefault(obj.kind, {})[obj.key] = obj
        return cls(kinds, synced=True)

    def with_kind(self, kind: str, objects: Mapping[Key, Object], *, synced: bool) -> World:
        """A World in which `kind` holds exactly `objects`."""
        return World({**self._kinds, kind: objects}, synced=synced)

    def with_changes(self, kind: str, changed: Mapping[Key, Object | None], *, synced: bool) -> World:
        """A World in which these objects of a kind are others, or (None) not there, at the cost of those."""
        before = self.table(kind)
        put = {key: obj for key, obj in changed.items() if obj is not None}
        now = before.changed(put, changed.keys() - put.keys())
        made = World({**self._kinds, kind: now}, synced=synced)
        differing = now.changes(before)
        for name, update in _UPDATES.items():
            if name in self.__dict__:  # looked up before: what it was then is brought up to date
                made.__dict__[name] = update(made, self.__dict__[name], kind, differing)
        return made

    @property
    def kinds(self) -> Iterable[str]:
        """The kinds of which something was said, by name."""
        return self._kinds.keys()

    def table(self, kind: str) -> Table[Key, Any]:
        """Every object of a kind by its name; two such tables tell quickly how they differ."""
        objects = self._kinds.get(kind, _EMPTY)
        return objects if isinstance(objects, Table) else Table(objects)

    def all(self, cls: type[T]) -> Mapping[Key, T]:
        """Every object of a kind by (namespace, name), for example `world.all(core.Pod)`."""
        return cast("Mapping[Key, T]", self._kinds.get(cls.__name__, _NONE))

    def sorted(self, cls: type[T]) -> tuple[T, ...]:
        """The same, sorted by (namespace, name)."""
        return tuple(obj for _, obj in sorted(self.all(cls).items(), key=_by_key))

    def oldest_first(self, cls: type[T]) -> tuple[T, ...]:
        """The same, the oldest first; those of one second by (namespace, name)."""
        return tuple(sorted(self.all(cls).values(), key=_age))

    def get(self, cls: type[T], namespace: str, name: str) -> T | None:
        """One object, or None."""
        return self.all(cls).get((namespace, name))

    def objects(self) -> Iterable[Object]:
        """All objects, in the order of the kinds' registry, then by name."""
        for kind in BY_KIND:
            yield from (obj for _, obj in sorted(self._kinds.get(kind, _NONE).items(), key=_by_key))

    @cached_property
    def population(self) -> Table[str, int]:
        """How many objects there are in each namespace."""
        found: dict[str, int] = {}
        for objects in self._kinds.values():
            for namespace, _ in objects:
                found[namespace] = found.get(namespace, 0) + 1
        return Table(found)

    @cached_property
    def namespace_labels(self) -> Mapping[str, Mapping[str, str]]:
        """Labels per namespace, with `kubernetes.io/metadata.name` as the API server sets it.

        Namespaces that only occur in other objects (files without a Namespace manifest) are there as well.
        """
        names = {*self.population, *(name for _, name in self.all(core.Namespace))} - {""}
        return Table((name, _labels_of(self, name)) for name in names)

    @cached_property
    def slices_by_service(self) -> Mapping[Key, tuple[core.EndpointSlice, ...]]:
        """EndpointSlices by (namespace, service name), sorted by name."""
        found: dict[Key, list[core.EndpointSlice]] = {}
        for piece in self.sorted(core.EndpointSlice):
            if service := _service_of(piece):
                found.setdefault(service, []).append(piece)
        return Table((service, tuple(pieces)) for service, pieces in found.items())

    @cached_property
    def pods_by_uid(self) -> Mapping[str, core.Pod]:
        """Pods by metadata.uid."""
        return Table((p.metadata.uid, p) for p in self.all(core.Pod).values())

    @cached_property
    def claims(self) -> Mapping[str, tuple[core.Pod, ...]]:
        """Running pods by each of their addresses, sorted by name: for a moment two may claim the same one."""
        found: dict[str, list[core.Pod]] = {}
        for pod in self.sorted(core.Pod):
            for address in _claimed(pod):
                found.setdefault(address, []).append(pod)
        return Table((address, tuple(pods)) for address, pods in found.items())

    @cached_property
    def asking(self) -> Mapping[Key, core.Pod]:
        """Pods that ask for addresses by name and have not finished."""
        return Table((key, pod) for key, pod in self.all(core.Pod).items() if asks(pod))

    def pod_at(self, address: str) -> core.Pod | None:
        """The running pod with this address."""
        pods = self.claims.get(address)
        return pods[-1] if pods else None


def _claimed(pod: core.Pod | None) -> tuple[str, ...]:
    return pod.addresses if pod is not None and not pod.finished else ()


def _by_key(entry: tuple[Key, Object]) -> Key:
    return entry[0]


def _age(obj: Object) -> tuple[str, str, str]:
    return obj.metadata.creation_timestamp or "", *obj.key


def _labels_of(world: World, namespace: str) -> Mapping[str, str]:
    found = world.get(core.Namespace, "", namespace)
    return {**(found.metadata.labels if found is not None else {}), "kubernetes.io/metadata.name": namespace}


def _service_of(piece: core.EndpointSlice) -> Key | None:
    service = piece.metadata.labels.get(_SERVICE)
    return (piece.metadata.namespace, service) if service else None


def _count(_: World, before: Table[str, int], __: str, changes: Changes) -> Table[str, int]:
    counts: dict[str, int] = {}
    for (namespace, _name), (old, new) in changes.items():
        if (step := (new is not None) - (old is not None)) != 0:
            counts[namespace] = counts.get(namespace, before.get(namespace, 0) or 0) + step
    return before.changed({n: c for n, c in counts.items() if c}, [n for n, c in counts.items() if not c])


def _label(
    world: World, before: Table[str, Mapping[str, str]], kind: str, changes: Changes
) -> Table[str, Mapping[str, str]]:
    if kind == core.Namespace.__name__:
        touched = {name for _, name in changes}
    else:
        touched = {namespace for namespace, _ in changes if (namespace in world.population) != (namespace in before)}
    there = {n for n in touched - {""} if n in world.population or world.get(core.Namespace, "", n) is not None}
    return before.changed({name: _labels_of(world, name) for name in there}, touched - there)


def _slice(
    _: World, before: Table[Key, tuple[core.EndpointSlice, ...]], kind: str, changes: Changes
) -> Table[Key, tuple[core.EndpointSlice, ...]]:
    if kind != core.EndpointSlice.__name__:
        return before
    found: dict[Key, dict[str, core.EndpointSlice]] = {}

    def of(service: Key) -> dict[str, core.EndpointSlice]:
        return found.setdefault(service, {p.metadata.name: p for p in before.get(service) or ()})

    for (_namespace, name), pair in changes.items():
        old, new = cast("tuple[core.EndpointSlice | None, core.EndpointSlice | None]", pair)
        if old is not None and (service := _service_of(old)):
            of(service).pop(name, None)
        if new is not None and (service := _service_of(new)):
            of(service)[name] = new
    put = {service: tuple(pieces[n] for n in sorted(pieces)) for service, pieces in found.items() if pieces}
    return before.changed(put, found.keys() - put.keys())


def _identify(_: World, before: Table[str, core.Pod], kind: str, changes: Changes) -> Table[str, core.Pod]:
    if kind != core.Pod.__name__:
        return before
    pairs = cast("Iterable[tuple[core.Pod | None, core.Pod | None]]", changes.values())
    put: dict[str, core.Pod] = {}
    gone: set[str] = set()
    for old, new in pairs:
        if old is not None:
            gone.add(old.metadata.uid)
        if new is not None:
            put[new.metadata.uid] = new
    return before.changed(put, gone - put.keys())


def _claim(
    _: World, before: Table[str, tuple[core.Pod, ...]], kind: str, changes: Changes
) -> Table[str, tuple[core.Pod, ...]]:
    if kind != core.Pod.__name__:
        return before
    found: dict[str, dict[Key, core.Pod]] = {}
    pairs = cast("Iterable[tuple[core.Pod | None, core.Pod | None]]", changes.values())
    for old, new in pairs:
        for address in {*_claimed(old), *_claimed(new)}:
            pods = found.setdefault(address, {pod.key: pod for pod in before.get(address) or ()})
            if old is not None:
                pods.pop(old.key, None)
            if new is not None and address in _claimed(new):
                pods[new.key] = new
    put = {address: tuple(pods[key] for key in sorted(pods)) for address, pods in found.items() if pods}
    return before.changed(put, found.keys() - put.keys())


def _ask(_: World, before: Table[Key, core.Pod], kind: str, changes: Changes) -> Table[Key, core.Pod]:
    if kind != core.Pod.__name__:
        return before
    pods = cast("Iterable[tuple[Key, tuple[core.Pod | None, core.Pod | None]]]", changes.items())
    put = {key: new for key, (_, new) in pods if new is not None and asks(new)}
    return before.changed(put, changes.keys() - put.keys())


_UPDATES: Final[Mapping[str, Callable[[World, Any, str, Changes], object]]] = {
    "population": _count,
    "namespace_labels": _label,
    "slices_by_service": _slice,
    "pods_by_uid": _identify,
    "claims": _claim,
    "asking": _ask,
}
"""What is looked up in a World -> how it is brought up to date: World now, value before, kind, changes -> value now."""
