"""World: every object that we know, as one frozen value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TypeVar, cast

from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.model.meta import Object

T = TypeVar("T", bound=Object)
Key = tuple[str, str]
_NONE: Mapping[Key, Object] = {}


class World:
    """Objects by kind and (namespace, name). Never changed after construction; `with_kind` makes a new one.

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

    def all(self, cls: type[T]) -> Mapping[Key, T]:
        """Every object of a kind by (namespace, name), for example `world.all(core.Pod)`."""
        return cast("Mapping[Key, T]", self._kinds.get(cls.__name__, _NONE))

    def sorted(self, cls: type[T]) -> tuple[T, ...]:
        """The same, sorted by (namespace, name)."""
        objects = self.all(cls)
        return tuple(objects[k] for k in sorted(objects))

    def get(self, cls: type[T], namespace: str, name: str) -> T | None:
        """One object, or None."""
        return self.all(cls).get((namespace, name))

    def objects(self) -> Iterable[Object]:
        """All objects, in the order of the kinds' registry, then by name."""
        for kind in BY_KIND:
            objects = self._kinds.get(kind, _NONE)
            yield from (objects[k] for k in sorted(objects))

    @cached_property
    def namespace_labels(self) -> Mapping[str, Mapping[str, str]]:
        """Labels per namespace, with `kubernetes.io/metadata.name` as the API server sets it.

        Namespaces that only occur in other objects (files without a Namespace manifest) are there as well.
        """
        names = {k[0] for objects in self._kinds.values() for k in objects if k[0]}
        labels: dict[str, Mapping[str, str]] = {n: {"kubernetes.io/metadata.name": n} for n in names}
        for (_, name), ns in self.all(core.Namespace).items():
            labels[name] = {**ns.metadata.labels, "kubernetes.io/metadata.name": name}
        return labels

    @cached_property
    def slices_by_service(self) -> Mapping[Key, tuple[core.EndpointSlice, ...]]:
        """EndpointSlices by (namespace, service name), sorted by name."""
        found: dict[Key, list[core.EndpointSlice]] = {}
        for piece in self.sorted(core.EndpointSlice):
            service = piece.metadata.labels.get("kubernetes.io/service-name")
            if service:
                found.setdefault((piece.metadata.namespace, service), []).append(piece)
        return {k: tuple(v) for k, v in found.items()}

    @cached_property
    def pods_by_uid(self) -> Mapping[str, core.Pod]:
        """Pods by metadata.uid."""
        return {p.metadata.uid: p for p in self.all(core.Pod).values()}

    @cached_property
    def pods_by_address(self) -> Mapping[str, core.Pod]:
        """Running pods by each of their addresses."""
        return {a: p for p in self.all(core.Pod).values() if not p.finished for a in p.addresses}
